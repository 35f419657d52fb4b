"""Measure the whole `dvc repro`, cold and with nothing to do, in a copy of the repository.

In a second cold run, `benchmarks.clock` replaces `.venv/bin/python`, to measure where the time goes.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import clock, measure
from stages.console import UserError
from stages.evaluate.results import METRICS

STAGES = ("download", "vectorize", "train", "evaluate")
_DVC = Path(sys.executable).with_name("dvc")
_IDLE_ROUNDS = 3
_EMPTY = "stages:\n" + "".join(f"  {name}:\n    cmd: 'true'\n    deps: [nothing]\n" for name in STAGES)


def copy(folder: Path) -> None:
    """Copy the files that git tracks or could track to `folder`, and make it a repository without cache and results."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=measure.ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (measure.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(measure.ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def empty(folder: Path) -> None:
    """Make a pipeline of four stages that do nothing, with the DVC settings of this project, and run it once.

    Each stage depends on a file, because DVC always runs a stage that has no dependency.
    """
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    shutil.copytree(measure.ROOT / ".dvc", folder / ".dvc", ignore=lambda *_: {"cache", "tmp", "plots"})
    (folder / "nothing").touch()
    (folder / "dvc.yaml").write_text(_EMPTY)
    repro(folder, len(STAGES))


def repro(folder: Path, stages: int, **environment: str) -> measure.Measured:
    """Run `dvc repro`, and check how many stages it runs."""
    mirror, mark, digest = os.environ.get("IMDB_MIRROR", "").partition("#")
    if mirror and "://" not in mirror:
        environment["IMDB_MIRROR"] = f"{(measure.ROOT / mirror).resolve()}{mark}{digest}"
    environment |= {
        "PATH": f"{_DVC.parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder / ".dvc" / "site"),
    }
    measured = measure.process([str(_DVC), "repro"], folder, environment)
    ran = sum(line.startswith("Running stage") for _, line in measured.lines)
    if ran != stages:
        raise UserError(f"`dvc repro` ran {ran} stages, expected {stages}")
    return measured


def accuracy(folder: Path) -> float:
    """Return the accuracy on the test split of IMDB."""
    metrics = json.loads((folder / METRICS).read_text())
    if metrics["source"] != "imdb":
        raise UserError(f"the pipeline ran on the source {metrics['source']}, expected imdb: set IMDB_MIRROR")
    return float(metrics["test"]["binary_accuracy"])


def idle(folder: Path) -> dict[str, float]:
    """Return the seconds of a `dvc repro` with nothing to do, in `folder` and in an empty pipeline, in turns."""
    with tempfile.TemporaryDirectory() as other:
        empty(Path(other))
        seconds = [[repro(place, 0).seconds for place in (folder, Path(other))] for _ in range(_IDLE_ROUNDS)]
    ours, theirs = map(statistics.median, zip(*seconds, strict=True))
    return {"idle": ours, "idle_empty": theirs}


def breakdown(folder: Path) -> dict[str, dict[str, float]]:
    """Return the seconds of a cold run by stage and kind. Time outside the stages' processes is that of DVC.

    The time of DVC after a stage belongs to that stage: DVC hashes and caches the outputs then.
    """
    times = folder / ".dvc" / "times"
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # -I -S, so that the clock itself starts quickly.
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{clock.__file__}" "{times}" "$@"\n')
    python.chmod(0o755)
    began = time.time()
    repro(folder, len(STAGES))
    ended = time.time()
    records = [json.loads(line) for line in times.read_text().splitlines()]
    table = {"(DVC starts)": {"dvc": records[0]["began"] - began}}
    for record, following in zip(records, [*(each["began"] for each in records[1:]), ended], strict=True):
        kinds: dict[str, float] = record["kinds"]
        kinds["import"] += record["ended"] - record["began"] - sum(kinds.values())
        table[record["stage"]] = kinds | {"dvc": following - record["ended"]}
    return table


def main() -> dict[str, Any]:
    """Run all measurements."""
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        cold = repro(Path(folder), len(STAGES))
        figures = {"whole": cold.seconds, "accuracy": accuracy(Path(folder)), **idle(Path(folder))}
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        stages = breakdown(Path(folder))
        evaluate = sum(seconds for kind, seconds in stages["evaluate"].items() if kind != "dvc")
        return figures | {"stages": stages, "evaluate": evaluate}


if __name__ == "__main__":
    measure.report(main)
