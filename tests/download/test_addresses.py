"""Own reviews at an address: the same rows, splits and words as from a folder."""

import gzip
import re
import uuid
from pathlib import Path

import pandas as pd
import pytest

from stages import dependencies
from stages.console import UserError
from stages.download import files
from stages.download.corpus import Corpus
from tests.conftest import files_settings

upath = pytest.importorskip("upath")

REVIEWS = [(f"word{row % 7} film{row % 11} naïve {row}", ("neg", "pos")[row % 2]) for row in range(300)]
CSV = "text,label\n" + "".join(f'"{text},\n",{label}\n' for text, label in REVIEWS)


@pytest.fixture
def address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place in fsspec's memory, which only this process sees."""
    monkeypatch.setenv("MULTIHOT_WORKERS", "1")
    monkeypatch.setattr(files, "_STRETCH", 1000)
    return f"memory://{uuid.uuid4().hex}/reviews"


def write(folder: Path) -> None:
    """The reviews in several shapes."""
    (folder / "a.csv").write_text(CSV)
    (folder / "b.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (folder / "c.parquet").write_bytes(pd.DataFrame(REVIEWS, columns=["text", "label"]).to_parquet(row_group_size=50))
    for number, (text, label) in enumerate(REVIEWS[:40]):
        (folder / "texts" / label).mkdir(parents=True, exist_ok=True)
        (folder / "texts" / label / f"{number}.txt").write_text(text)


def content(corpus: Corpus) -> object:
    batches = [batch for split in ("train", "test") for batch in corpus.reviews(split)]
    rows = [(batch.tokens.tolist(), batch.labels.tolist(), str(batch.details)) for batch in batches]
    return corpus.words.to_pylist(), corpus.counts.tolist(), rows, corpus.own


@pytest.mark.parametrize("train", ["a.csv", "b.csv.gz", "c.parquet", "texts", "*.csv*", ".", ["texts", "c.parquet"]])
def test_an_address_gives_what_a_folder_gives(address: str, train: str | list[str]) -> None:
    Path("reviews").mkdir()
    for place in (Path("reviews"), upath.UPath(address)):
        write(place)
    here, there = (files.load(files_settings(folder=place, train=train), "keras") for place in ("reviews", address))
    assert content(here) == content(there)


def test_what_is_not_there_or_bad_is_said(address: str) -> None:
    place = upath.UPath(address)
    (place / "bad.csv").write_text("text,label\nfine,1\n,0\n")
    with pytest.raises(UserError, match=rf"^{address}/a.csv is not there(.|\n)*bad.csv"):
        files.load(files_settings(folder=address, train="a.csv"), "keras")
    with pytest.raises(UserError, match=rf"{address}/bad.csv, row 2"):
        files.load(files_settings(folder=address, train="bad.csv"), "keras")


def test_an_address_that_cannot_be_read_is_said(folder: Path) -> None:
    with pytest.raises(UserError, match=r"data\.files\.folder.*'nosuch://bucket/reviews'") as caught:
        files.load(files_settings(folder="nosuch://bucket/reviews"), "keras")
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_changes_meanwhile_is_noticed(address: str) -> None:
    file = upath.UPath(address) / "a.csv"
    file.write_text("text,label\n")
    before = dependencies._files([address])
    assert [re.sub("^memory:/+", "memory://", name) for name in before] == [f"{address}/a.csv"]
    assert dependencies._files([address]) == before
    file.write_text("label,text\n")
    assert dependencies._files([address]) != before
