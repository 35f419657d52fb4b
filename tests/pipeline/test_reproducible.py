"""The results are bit-for-bit the same in other folders and environments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from checks import verify
from tests.conftest import ROOT, UNPRIVILEGED
from tests.pipeline.conftest import STAGES, Clone

pytestmark = pytest.mark.slow


def copy_of(clone: Clone, folder: Path) -> Clone:
    """A clone by git, which has only what is committed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "clone", "--quiet", clone.folder, folder], check=True)
    return Clone(folder)


def test_pulled_results_need_no_run(clone: Clone, tmp_path: Path) -> None:
    clone.dvc("remote", "add", "--default", "team", str(tmp_path / "remote"))
    clone.commit("a remote")
    clone.dvc("push")
    other = copy_of(clone, tmp_path / "other")
    other.dvc("pull")
    assert other.repro() == []
    assert other.run("git", "status", "--porcelain").stdout == ""


def test_the_pipeline_runs_without_a_home_a_git_user_and_a_writable_source_tree(
    reproduced: Clone, tmp_path: Path
) -> None:
    """As in a container, only the folders that DVC writes to are writable."""
    bare = copy_of(reproduced, tmp_path / "bare")
    first = reproduced.read("dvc.lock")
    written = [bare.folder / name for name in (".dvc", "data", "models", "results")]
    for path in [bare.folder, *bare.folder.rglob("*")]:
        if not any(path.is_relative_to(folder) for folder in written) and path.name != "dvc.lock":
            path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run(
        [*UNPRIVILEGED, Path(sys.executable).parent / "dvc", "repro"],
        cwd=bare.folder, check=False, capture_output=True, text=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": "", "HTTPS_PROXY": "http://127.0.0.1:9"},
    )  # fmt: skip
    for path in [bare.folder, *bare.folder.rglob("*")]:
        path.chmod(0o755)
    assert done.returncode == 0, done.stdout + done.stderr
    assert bare.read("dvc.lock") == first


@pytest.fixture
def verified(reproduced: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A clone on which `checks.verify` works."""
    clone = copy_of(reproduced, tmp_path / "project")
    (clone.folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    monkeypatch.setattr(verify, "ROOT", clone.folder)
    monkeypatch.setattr(sys, "argv", ["verify"])
    return clone


def test_verify_reproduces_the_committed_results(
    verified: Clone, reproduced: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It runs every stage, although the project has a cache with all results, and the user has settings for Keras."""
    keras_home = tmp_path / "home" / ".keras"
    keras_home.mkdir(parents=True)
    settings = json.dumps({"backend": "jax", "floatx": "float16", "epsilon": 0.1})
    (keras_home / "keras.json").write_text(settings)
    for name, value in {"HOME": keras_home.parent, "KERAS_HOME": keras_home, "KERAS_BACKEND": "torch"}.items():
        monkeypatch.setenv(name, str(value))
    verified.dvc("config", "cache.dir", str(reproduced.folder / ".dvc" / "cache"))
    verified.commit("a shared cache")
    verify.main()
    printed = capfd.readouterr().out
    assert "bit for bit those of the committed results" in printed
    assert printed.count("Running stage") == len(STAGES)
    assert (keras_home / "keras.json").read_text() == settings


def test_verify_names_the_first_stage_with_other_results(verified: Clone, capfd: pytest.CaptureFixture[str]) -> None:
    """The committed results are those of another seed."""
    verified.set({"train": {"seed": 2}})
    verified.run("git", "commit", "--quiet", "--all", "--message", "another seed, results as before")
    with pytest.raises(SystemExit, match="results differ from stage train on"):
        verify.main()
    printed = capfd.readouterr().out
    assert "train: parameter train.seed is 2, expected 1\n" in printed
    assert "train: out models/model.keras is" in printed
    assert "download" not in printed.partition("Not reproduced")[2]
    assert "metrics: test.loss is" in printed


def test_verify_without_the_committed_source_compares_two_runs(
    verified: Clone, capfd: pytest.CaptureFixture[str]
) -> None:
    metrics = verified.folder / "results" / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"synthetic"', '"imdb"'))
    verified.run("git", "commit", "--quiet", "--all", "--message", "as if from imdb")
    verify.main()
    assert "bit for bit those of a second run" in capfd.readouterr().out


def test_a_relative_mirror_is_found_from_a_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACLIMDB_MIRROR", "https://example.org/data")
    monkeypatch.setenv("IMDB_MIRROR", "../data#sha256=0123")
    assert verify._mirrors() == {"IMDB_MIRROR": f"{(ROOT.parent / 'data').resolve()}#sha256=0123"}
    monkeypatch.setenv("IMDB_MIRROR", "~/data")
    assert verify._mirrors() == {"IMDB_MIRROR": str((Path.home() / "data").resolve())}
