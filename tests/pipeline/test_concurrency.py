"""Concurrent runs: two `dvc repro` in one folder, predictions during training, two clones with one cache."""

import subprocess
import time
from pathlib import Path

import pytest

from stages.console import UserError
from stages.contracts.features import read_columns
from stages.contracts.model import MODEL_COLUMNS
from stages.inference.network import read
from stages.predict.model import Model
from stages.tables.rows import Row
from tests.pipeline.conftest import ENVIRONMENT, Clone

pytestmark = pytest.mark.slow


def started(clone: Clone, *stage: str) -> "subprocess.Popen[str]":
    """Start `dvc repro` in the background."""
    return subprocess.Popen(
        ["dvc", "repro", *stage],
        cwd=clone.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT,
    )  # fmt: skip


def test_two_runs_in_one_folder_give_the_results_of_one(clone: Clone, tmp_path: Path) -> None:
    """DVC lets only one of them run a stage. The other fails at once with a message about the lock."""
    clone.set({"vectorize": {"num_words": 400}})
    alone = clone.copied(tmp_path / "alone")
    alone.repro("vectorize")
    both = [started(clone, "vectorize"), started(clone, "vectorize")]
    printed = [process.communicate()[0] for process in both]
    assert 0 in [process.returncode for process in both]
    for process, text in zip(both, printed, strict=True):
        assert process.returncode == 0 or "busy" in text or "lock" in text
        assert "Traceback" not in text
    assert clone.repro("vectorize") == []
    assert clone.read("dvc.lock") == alone.read("dvc.lock")
    assert "up to date" in clone.dvc("status", "vectorize")


def test_predictions_during_training_are_old_or_new_or_an_error(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone.folder)

    def ask() -> float | str:
        try:
            columns = read_columns(MODEL_COLUMNS)
            model = Model(read(columns), columns)
            return next(model.answers([Row("here", "a wonderful film")], explain=False)).probability
        except UserError as error:
            return str(error)

    before = ask()
    clone.set({"vectorize": {"num_words": 400}, "train": {"seed": 2}})
    running = started(clone)
    answers = []
    while running.poll() is None:
        answers.append(ask())
        time.sleep(0.2)  # or the predictions leave no processor to the training
    assert running.returncode == 0
    after = ask()
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert before != after
    assert {answer for answer in answers if isinstance(answer, float)} <= {before, after}
    for answer in answers:
        assert isinstance(answer, float) or answer.startswith("models/")
    assert before in answers


def test_two_clones_can_share_a_cache(reproduced: Clone, tmp_path: Path) -> None:
    clones = []
    for name in ("one", "other"):
        subprocess.run(["git", "clone", "--quiet", reproduced.folder, tmp_path / name], check=True)
        clones.append(Clone(tmp_path / name))
        clones[-1].dvc("config", "--local", "cache.dir", str(tmp_path / "cache"))
    both = [started(clone, "vectorize") for clone in clones]
    for process, clone in zip(both, clones, strict=True):
        printed = process.communicate()[0]
        assert process.returncode == 0, printed
        assert clone.read("dvc.lock") == reproduced.read("dvc.lock")
        assert "up to date" in clone.dvc("status", "vectorize")
    assert clones[0].repro("vectorize") == []
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"files", "runs"}
