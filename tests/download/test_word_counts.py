from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stages.console import UserError
from stages.contracts.reviews import RAW, Reviews, Source, write_reviews, write_source, write_vocabulary
from stages.download import word_counts

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
@pytest.mark.parametrize("rows_at_a_time", [1, 2, 100])
def test_tables_equal_a_count_by_hand(monkeypatch: pytest.MonkeyPatch, rows_at_a_time: int) -> None:
    monkeypatch.setattr(word_counts, "WORDS", 4)
    monkeypatch.setattr(word_counts, "_ROWS", rows_at_a_time)
    word_counts.main()
    counts = word_counts.read()
    assert counts.words == WORDS[:4]
    for label in (0, 1):
        texts = [text.split() for text, its_label in REVIEWS if its_label == label]
        by_word = Counter(word for text in texts for word in text)
        by_length = Counter(map(len, texts))
        assert counts.tokens[label].tolist() == [by_word[word] for word in WORDS[:4]]
        assert counts.lengths[label].tolist() == [by_length[length] for length in range(10)]


@pytest.mark.usefixtures("raw")
def test_another_source_is_refused_and_nothing_written() -> None:
    write_source(RAW, Source("synthetic", "keras", len(REVIEWS), 0, ""))
    with pytest.raises(UserError, match=r"holds the source synthetic; expected imdb.*dvc repro download"):
        word_counts.main()
    assert not word_counts.WORD_COUNTS.exists()


def test_committed_tables_are_those_of_imdb_and_small_enough_for_git() -> None:
    counts = word_counts.read()
    assert counts.lengths.sum(axis=1).tolist() == [12_500, 12_500]
    assert (counts.lengths.sum(axis=0) @ np.arange(counts.lengths.shape[1])) / 25_000 == 237.71364
    assert len(set(counts.words)) == 20_000
    assert counts.words[:5] == ["the", "and", "a", "of", "to"]
    totals = counts.tokens.sum(axis=0)
    assert totals[0] == 336_148  # counted in the raw text of aclImdb_v1.tar.gz
    assert (np.diff(totals) <= 0).all()
    assert totals.sum() < 237.71364 * 25_000
    assert word_counts.WORD_COUNTS.stat().st_size + word_counts.REVIEW_LENGTHS.stat().st_size < 200_000
