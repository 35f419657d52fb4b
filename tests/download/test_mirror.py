"""Which place a source's files are taken from."""

import hashlib
from pathlib import Path

import pytest

from stages.console import UserError
from stages.download import mirror
from stages.download.fetch import Expected, Unavailable


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


FILES = [Expected("a", "md5", hashlib.md5(b"official a").hexdigest()), Expected("b", "sha256", sha256("official b"))]


def place(folder: Path, **files: str) -> str:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    return str(folder)


def test_the_first_place_that_has_all_files_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOY_MIRROR", raising=False)
    places = [
        place(folder / "half", a="official a"),
        place(folder / "other", a="official a", b="tampered"),
        place(folder / "good", a="official a", b="official b"),
    ]
    assert mirror.find("toy", places, FILES) == [folder / "good" / "a", folder / "good" / "b"]


def test_the_mirror_comes_first_with_the_checksum_it_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [place(folder / "usual", a="official a", b="official b")]
    own = place(folder / "own", a="packed anew", b="official b")
    monkeypatch.setenv("TOY_MIRROR", f"{own}#sha256={sha256('packed anew')}")
    assert mirror.find("toy", usual, FILES) == [folder / "own" / "a", folder / "own" / "b"]
    monkeypatch.setenv("TOY_MIRROR", str(folder / "nowhere"))
    assert mirror.find("toy", usual, FILES) == [folder / "usual" / "a", folder / "usual" / "b"]


def test_a_mirror_with_another_file_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [place(folder / "usual", a="official a", b="official b")]
    monkeypatch.setenv("TOY_MIRROR", place(folder / "own", a="tampered", b="official b"))
    with pytest.raises(UserError, match=r"own/a has md5(.|\n)*TOY_MIRROR=PLACE#sha256="):
        mirror.find("toy", usual, FILES)


@pytest.mark.parametrize("digest", ["", "abc", "G" * 64])
def test_a_checksum_that_is_none_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch, digest: str) -> None:
    monkeypatch.setenv("TOY_MIRROR", f"{folder}#sha256={digest}")
    with pytest.raises(UserError, match=f"TOY_MIRROR names the checksum '{digest}'; expected 64 hexadecimal digits"):
        mirror.find("toy", [], FILES)


def test_all_that_was_tried_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_MIRROR", str(folder / "nowhere"))
    with pytest.raises(Unavailable, match=r"source toy .*nowhere/a.*empty/a(.|\n)*Set TOY_MIRROR .* a and b"):
        mirror.find("toy", [place(folder / "empty")], FILES)
