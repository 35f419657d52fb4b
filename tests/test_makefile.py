"""The Makefile with the real make. The programs in .venv are scripts that record their arguments."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from checks import clones
from tests.conftest import ROOT

PYTHON = """#!/bin/sh
echo "python $*" >> calls
if [ "$*" = "-m venv .venv" ]; then
  mkdir -p .venv/bin
  cp "$0" .venv/bin/python
  for name in dvc pytest ruff mypy; do
    printf '#!/bin/sh\\n# %s/.venv/bin/python\\necho "%s $*" >> calls\\n' "$PWD" "$name" > .venv/bin/$name
  done
  chmod +x .venv/bin/*
fi
"""
REPRO = ["python -m checks.sources --ask-again", "dvc repro", "python -m checks.sources"]
GIT = ["git", "-c", "user.name=test", "-c", "user.email=test", "-c", "protocol.file.allow=always"]


def make(folder: Path, target: str) -> "subprocess.CompletedProcess[str]":
    """Run make with a PATH that has none of the project's programs."""
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CEILING_DIRECTORIES": str(folder.parent.parent)}
    command = [shutil.which("make") or "make", f"PYTHON={folder.parent / 'python'}", target]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=environment)


def calls(folder: Path) -> list[str]:
    """Return the programs that were called since the last time."""
    path = folder / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile, and a Python beside it."""
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "start")


def test_help_lists_every_target_that_a_user_may_call(project: Path) -> None:
    done = make(project, "help")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)) - {"committed"}
    assert {line.split()[1] for line in done.stdout.splitlines()} == targets
    assert not calls(project)


def test_programs_are_found_with_any_path(project: Path) -> None:
    make(project, "install")
    calls(project)
    assert make(project, "repro").returncode == 0
    assert calls(project) == REPRO
    assert make(project, "lint").returncode == 0
    assert [call.split()[0] for call in calls(project)] == ["ruff", "ruff", "mypy", "python"]


def test_an_environment_is_installed_once_and_again_for_another_lock(project: Path) -> None:
    make(project, "install")
    assert "python -m venv .venv" in calls(project)
    make(project, "install")
    assert not calls(project)
    with (project / "requirements.lock").open("a") as file:
        file.write("# changed\n")
    make(project, "install")
    assert "python -m venv .venv" in calls(project)


@pytest.mark.parametrize("change", [shutil.move, shutil.copytree])
def test_an_environment_in_a_moved_or_copied_folder_is_installed_again(project: Path, change) -> None:
    make(project, "install")
    calls(project)
    (project / ".venv" / "old").touch()
    other = Path(change(project, project.with_name("other folder")))
    done = make(other, "install")
    assert "moved or copied" in done.stdout
    assert "python -m venv .venv" in calls(other)
    assert not (other / ".venv" / "old").exists()


def test_a_link_to_an_environment_elsewhere_is_used(project: Path) -> None:
    make(project, "install")
    other = project.with_name("other")
    shutil.copytree(project, other, ignore=shutil.ignore_patterns(".venv", "calls"))
    (other / ".venv").symlink_to(project / ".venv")
    make(other, "repro")
    assert calls(other) == REPRO


def test_verify_without_git_is_an_error_before_the_installation(project: Path) -> None:
    done = make(project, "verify")
    assert done.returncode != 0
    assert re.fullmatch(r"error: dvc.lock is not in the last commit; .*\n", done.stdout)
    assert not calls(project)


@pytest.mark.parametrize("kind", ["repository", "subfolder", "submodule"])
def test_a_project_inside_a_larger_repository_can_be_cloned(project: Path, tmp_path: Path, kind: str) -> None:
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").touch()
    (project / "dvc.lock").write_text("committed")
    larger = tmp_path / "larger"
    larger.mkdir()
    if kind == "repository":
        commit(project)
    elif kind == "subfolder":
        project = project.rename(larger / "project")
        commit(larger)
    else:
        commit(project)
        git(larger, "init", "--quiet")
        git(larger, "submodule", "--quiet", "add", str(project))
        project = larger / "project"
    (project / "dvc.lock").write_text("not committed")
    assert make(project, "committed").returncode == 0
    clone = clones.clone(project, tmp_path / "clone")
    assert (clone / "dvc.lock").read_text() == "committed"
    assert (clone / ".dvc" / "config.local").exists()
