"""Edit each kind of input while a stage runs, with the real dvc: dvc.lock names only inputs that were used."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import ENVIRONMENT, Clone

PAUSE = """
    import pathlib, time
    pathlib.Path("reached").touch()
    while pathlib.Path("pause").exists():
        time.sleep(0.01)
"""
"""Goes into `main` of a stage, after it has read its parameters."""

Edit = str | dict[str, dict[str, object]]
"""A file that gets another line, or other values in params.yaml."""
EDITS: list[tuple[str, Edit, str]] = [
    ("evaluate", {"train": {"epochs": 3}}, "params.yaml"),
    ("evaluate", "results/history.csv", "results/history.csv"),
    ("train", "data/features/train/part-00000.npz", "data/features/train/part-00000.npz"),
    ("vectorize", "stages/storage.py", "stages/storage.py"),
    ("download", {"data": {"synthetic": {"seed": 2}}}, "params.yaml"),
    ("download", "data/own/reviews.csv", "data/own/reviews.csv"),
    ("download", "data/own/new.csv", "data/own/new.csv"),
]
"""The stage, what is edited, and what the message names. The last stage comes first, because a stage that fails has no
outputs that later stages could read."""
HARMLESS: list[tuple[str, Edit]] = [
    ("vectorize", {"train": {"seed": 2}}),
    ("vectorize", "data/own/.DS_Store"),
    ("vectorize", "stages/train/rows.py"),
]


def _edit(clone: Clone, what: Edit) -> None:
    if isinstance(what, dict):
        clone.set(what)
        return
    path = clone.folder / what
    content = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)  # it may be a link into the cache
    path.write_bytes(content + b"\n")


def _run_and_edit(clone: Clone, stage: str, what: Edit) -> "subprocess.CompletedProcess[str]":
    """Run a stage, and edit an input after the stage has started."""
    pause, reached = clone.folder / "pause", clone.folder / "reached"
    pause.touch()
    reached.unlink(missing_ok=True)
    command = ["dvc", "repro", "--force", "--single-item", stage]
    with subprocess.Popen(
        command, cwd=clone.folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not reached.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        _edit(clone, what)
        pause.unlink()
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def paused(reproduced: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose stages wait while a file `pause` is there, and in which everything has run."""
    clone = reproduced.copied(tmp_path_factory.mktemp("paused") / "multihot")
    (clone.folder / "data" / "own" / "reviews.csv").write_text("text,label\n")
    for path in (clone.folder / "stages").glob("*/__main__.py"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line + PAUSE if "params.load()" in line else line for line in lines))
    clone.dvc("commit", "--force")  # as if everything had run again
    clone.commit("pause")
    return clone


@pytest.mark.parametrize(("stage", "what", "named"), EDITS)
def test_a_stage_fails_without_outputs_if_an_input_changes_while_it_runs(
    paused: Clone, tmp_path: Path, stage: str, what: Edit, named: str
) -> None:
    clone = paused.copied(tmp_path / "multihot")
    lock = clone.read("dvc.lock")
    done = _run_and_edit(clone, stage, what)
    assert done.returncode != 0
    assert f"error: {named} changed while {stage} ran: run `dvc repro` again" in done.stderr.splitlines()
    assert "Traceback" not in done.stdout + done.stderr
    assert clone.read("dvc.lock") == lock
    assert not any(out.exists() for out in clone.outputs(stage))


@pytest.mark.parametrize(("stage", "what"), HARMLESS)
def test_other_files_may_change_while_a_stage_runs(paused: Clone, tmp_path: Path, stage: str, what: Edit) -> None:
    done = _run_and_edit(paused.copied(tmp_path / "multihot"), stage, what)
    assert done.returncode == 0, done.stderr
