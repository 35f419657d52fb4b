from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from checks import word_counts
from stages.console import UserError
from stages.contracts.reviews import RAW, Reviews, Source, write_reviews, write_source, write_vocabulary
from stages.download.synthetic import REVIEW_LENGTHS, WORD_COUNTS

WORDS = ["the", "film", "great", "bad", "rare"]
REVIEWS = [
    ("bad film the film", 0),
    ("the great great film the rare film", 1),
    ("the", 1),
    ("bad bad the", 0),
    ("the film film film film the the great bad", 1),
]


@pytest.fixture
def raw(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up data/raw, and tables that are written beside it instead of into the repository."""
    monkeypatch.setattr(word_counts, "WORD_COUNTS", folder / "words.parquet")
    monkeypatch.setattr(word_counts, "REVIEW_LENGTHS", folder / "lengths.parquet")
    ranks = [[WORDS.index(word) + 1 for word in text.split()] for text, _ in REVIEWS]
    offsets = np.cumsum([0, *map(len, ranks)]).astype(np.int32)
    labels = np.array([label for _, label in REVIEWS], np.uint8)
    RAW.mkdir(parents=True)
    write_reviews(RAW, "train", [Reviews(np.concatenate(ranks).astype(np.int32), offsets, labels)])
    write_vocabulary(RAW, WORDS, np.bincount(np.concatenate(ranks))[1:])
    write_source(RAW, Source("imdb", "keras", len(REVIEWS), 0, ""))


@pytest.mark.usefixtures("raw")
def test_tables_equal_a_count_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_counts, "WORDS", 4)
    word_counts.main()
    tokens, lengths = pd.read_parquet("words.parquet"), pd.read_parquet("lengths.parquet")
    assert tokens["word"].tolist() == WORDS[:4]
    assert lengths["length"].tolist() == list(range(10))
    for label, name in enumerate(["negative", "positive"]):
        texts = [text.split() for text, its_label in REVIEWS if its_label == label]
        by_word = Counter(word for text in texts for word in text)
        by_length = Counter(map(len, texts))
        assert tokens[name].tolist() == [by_word[word] for word in WORDS[:4]]
        assert lengths[name].tolist() == [by_length[length] for length in range(10)]


@pytest.mark.usefixtures("raw")
def test_another_source_is_refused_and_nothing_written() -> None:
    write_source(RAW, Source("synthetic", "keras", len(REVIEWS), 0, ""))
    with pytest.raises(UserError, match=r"holds the source synthetic; expected imdb.*dvc repro download"):
        word_counts.main()
    assert not Path("words.parquet").exists()


def test_committed_tables_are_those_of_imdb_and_small_enough_for_git() -> None:
    tokens, lengths = pd.read_parquet(WORD_COUNTS), pd.read_parquet(REVIEW_LENGTHS)
    reviews = lengths["negative"] + lengths["positive"]
    assert [lengths["negative"].sum(), lengths["positive"].sum()] == [12_500, 12_500]
    assert (reviews * lengths["length"]).sum() / 25_000 == 237.71364
    assert tokens["word"].nunique() == 20_000
    assert tokens["word"].tolist()[:5] == ["the", "and", "a", "of", "to"]
    totals = tokens["negative"] + tokens["positive"]
    assert totals[0] == 336_148  # counted in the raw text of aclImdb_v1.tar.gz
    assert totals.is_monotonic_decreasing
    assert totals.sum() < 237.71364 * 25_000
    assert WORD_COUNTS.stat().st_size + REVIEW_LENGTHS.stat().st_size < 200_000
