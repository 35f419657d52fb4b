"""A clone of the repository in which the real `dvc` runs on a small synthetic corpus."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from checks import clones
from tests.conftest import ROOT, write_params

STAGES = ("download", "vectorize", "train", "evaluate")


ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "IMDB_", "ACLIMDB_"))},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    **{f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
"""An environment with this environment's programs first, and without a user's settings."""


class Clone:
    """A clone of the working tree, and commands that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Copy all files that git does not ignore, except results, make the corpus small, and commit."""
        tracked = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, tracked.split("\0")):
            path = self.folder / name
            if (ROOT / name).is_file() and name not in ("dvc.lock", "results/metrics.json"):
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, path)
        write_params(self.folder, clones.SMALL)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.commit("start")

    def run(self, *command: str, check: bool = True, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command here."""
        done = subprocess.run(
            command, cwd=self.folder, check=False, capture_output=True, text=True, env=ENVIRONMENT | environment
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def make(self, *arguments: str, check: bool = True, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run make with this environment's programs, without installing."""
        programs = f"BIN={Path(sys.executable).parent}"
        return self.run(
            "make", "--no-print-directory", "-o", "install", programs, *arguments, check=check, **environment
        )

    def dvc(self, *arguments: str, check: bool = True) -> str:
        """Run dvc, and return what it prints."""
        done = self.run("dvc", *arguments, check=check)
        return done.stdout + done.stderr

    def repro(self, *arguments: str) -> list[str]:
        """Run `dvc repro`, and return the stages that ran."""
        lines = self.dvc("repro", *arguments).splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

    def commit(self, message: str) -> None:
        """Commit all files."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)

    def set(self, values: dict[str, dict[str, object]]) -> None:
        """Change values in params.yaml."""
        clones.set_params(self.folder, values)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON file with an object."""
        values: dict[str, Any] = json.loads(self.read(name))
        return values

    def table(self, name: str) -> pd.DataFrame:
        """Read a Parquet file, or a folder of them."""
        return pd.read_parquet(self.folder / name)

    def outputs(self, *stages: str) -> list[Path]:
        """Return the paths of everything that these stages write, as dvc.yaml lists it."""
        listed = YAML(typ="safe").load(self.folder / "dvc.yaml")["stages"]
        outs = [out for stage in stages for out in [*listed[stage]["outs"], *listed[stage].get("metrics", [])]]
        return [self.folder / (out if isinstance(out, str) else next(iter(out))) for out in outs]

    def copied(self, folder: Path) -> "Clone":
        """A copy of this clone in a new folder."""
        return Clone(shutil.copytree(self.folder, folder, symlinks=True))


Once = Callable[[str, Callable[[Clone], object]], Clone]


@pytest.fixture(scope="session")
def once(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Returns a clone that the first worker of pytest-xdist makes, and that the others wait for. Do not change it."""
    own = tmp_path_factory.getbasetemp()
    folder = own if worker_id == "master" else own.parent

    def made(name: str, make: Callable[[Clone], object]) -> Clone:
        place = folder / name
        with place.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                make(Clone(place / "multihot"))
        return Clone(place / "multihot")

    return made


@pytest.fixture(scope="session")
def reproduced(once: Once) -> Clone:
    """A clone in which everything ran once and was committed. Do not change it: `clone` gives a copy."""

    def make(clone: Clone) -> None:
        clone.fill()
        assert clone.repro() == list(STAGES)
        clone.commit("run")

    return once("reproduced", make)


@pytest.fixture(scope="session")
def changed(once: Once, reproduced: Clone) -> Clone:
    """A copy of `reproduced` with the results of other parameters, which are not committed. Do not change it."""

    def make(clone: Clone) -> None:
        reproduced.copied(clone.folder)
        clone.set({"train": {"epochs": 1, "seed": 5, "batch_size": 32}})
        assert clone.repro() == ["train", "evaluate"]

    return once("changed", make)


@pytest.fixture
def clone(reproduced: Clone, tmp_path: Path) -> Clone:
    """A copy of `reproduced`, for one test."""
    return reproduced.copied(tmp_path / "multihot")
