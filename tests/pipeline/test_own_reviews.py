"""Your own reviews stay out of git and are not overwritten, and other files in their folder change nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.pipeline.conftest import Clone

SECRET = "-".join(["unmistakably", "private"])
"""Joined from parts, because this file is in the git of the clone too."""
USE_FILES = ("-S", "data.sources=[files]")
JUNK = [
    ".DS_Store", "._reviews.csv", "Thumbs.db", "desktop.ini", "reviews.csv~", "~$reviews.xlsx", ".~lock.reviews.csv#",
    ".reviews.csv.swp", ".reviews.csv.swo", "#reviews.csv#", ".#reviews.csv", "reviews.csv.bak", "reviews.csv.orig",
    "reviews.tmp", ".idea/misc.xml", ".vscode/settings.json", ".ipynb_checkpoints/reviews.csv", ".mypy_cache/x.json",
    "__pycache__/x.pyc",
]  # fmt: skip


def add_reviews(clone: Clone) -> Path:
    path = clone.folder / "data" / "own" / "reviews.csv"
    rows = [f"{'good' if row % 2 else 'bad'} {SECRET} {row},{row % 2}\n" for row in range(40)]
    path.write_text("text,label\n" + "".join(rows))
    return path


def raw(clone: Clone) -> str:
    """The part of dvc.lock that names the hash of data/raw."""
    return clone.read("dvc.lock").split("path: data/raw\n", 1)[1].split("nfiles", 1)[0]


@pytest.mark.slow
def test_experiments_neither_commit_nor_overwrite_reviews(clone: Clone) -> None:
    """In place, and, after `dvc add`, in a copy of the project."""
    reviews = add_reviews(clone)
    clone.commit("Everything that git does not ignore")
    clone.dvc("exp", "run", "--name", "here", *USE_FILES, "download")
    of_files = raw(clone)
    clone.dvc("exp", "run", "--name", "synthetic", "-S", "data.sources=[synthetic]", "download")
    assert raw(clone) != of_files
    with reviews.open("a") as file:
        file.write(f"one more {SECRET},1\n")
    clone.dvc("exp", "apply", "here")
    assert raw(clone) == of_files
    assert reviews.read_text().endswith(f"one more {SECRET},1\n")

    clone.run("git", "checkout", "--quiet", ".")
    clone.dvc("add", "data/own/reviews.csv")
    clone.commit("The checksum of the reviews")
    clone.dvc("exp", "run", "--temp", "--name", "temp", *USE_FILES, "download")
    clone.dvc("exp", "run", "--queue", "--name", "queued", *USE_FILES, "-S", "data.files.seed=2", "download")
    clone.dvc("exp", "run", "--run-all")
    hashes = set()
    for name in ("temp", "queued"):
        clone.dvc("exp", "apply", name)
        hashes.add(raw(clone))
    assert len(hashes) == 2
    assert reviews.read_text().endswith(f"one more {SECRET},1\n")

    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(command, cwd=clone.folder, check=True, capture_output=True).stdout
    assert b"holdout_rows" in objects
    assert SECRET.encode() not in objects
    (clone.folder / "data" / "other").mkdir()
    reviews.rename(clone.folder / "data" / "other" / "reviews.csv")
    assert "data/other" not in clone.run("git", "status", "--porcelain", "--untracked-files=all").stdout


def test_files_of_editors_and_desktops_rerun_nothing(clone: Clone) -> None:
    for name in JUNK:
        for folder in ("data/own", "stages/download", "stages/train"):
            path = clone.folder / folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("x")
    assert clone.repro() == []
    assert clone.run("git", "status", "--porcelain", "--untracked-files=all").stdout == ""


@pytest.mark.parametrize("target", ["data/elsewhere", "data/nothing"])
def test_a_link_that_dvc_cannot_follow_is_an_error_of_one_line(clone: Clone, target: str) -> None:
    (clone.folder / "data" / "elsewhere").mkdir()
    (clone.folder / "data" / "own" / "more").symlink_to(clone.folder / target)
    done = clone.make("repro", check=False)
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(errors) == 1
    assert errors[0].startswith("error: data/own/more is a link to")


def test_unused_reviews_give_one_warning(clone: Clone) -> None:
    add_reviews(clone)
    printed = clone.dvc("repro", "download")
    assert printed.count("warning: data/own/reviews.csv not used") == 1


def test_a_clone_with_crlf_line_ends_has_the_same_bytes(reproduced: Clone, tmp_path: Path) -> None:
    reproduced.run("git", "-c", "core.autocrlf=true", "clone", "--quiet", ".", str(tmp_path / "clone"))
    for name in reproduced.run("git", "ls-files").stdout.splitlines():
        assert (tmp_path / "clone" / name).read_bytes() == (reproduced.folder / name).read_bytes(), name
