"""Count the words and the lengths of IMDB's training reviews, for the source `synthetic`.

Reads   data/raw/, written by `download` from the source imdb
Writes  stages/download/word_counts.parquet, review_lengths.parquet (140 kB in git: single words and numbers)

This is not part of the pipeline. Run it with `python -m stages.download.word_counts`; it always writes the same tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages import console, storage
from stages.contracts.reviews import RAW, Reviews, read_reviews, read_source, read_vocabulary

WORD_COUNTS = Path(__file__).with_name("word_counts.parquet")
"""Columns: word, and its count in the negative and in the positive reviews. Sorted by IMDB's frequency rank."""
REVIEW_LENGTHS = Path(__file__).with_name("review_lengths.parquet")
"""Columns: length, and the number of negative and positive reviews with as many tokens. Row i is length i."""

WORDS = 20_000
"""Number of words in the table, the most frequent ones. They are 97 % of IMDB's tokens."""
_ROWS = 25_000


@dataclass(frozen=True)
class Counts:
    """Counts by class. Row 0 is negative, row 1 positive."""

    words: list[str]
    """Word r - 1 has frequency rank r."""
    tokens: NDArray[np.int64]
    """(2, words) the count of each word."""
    lengths: NDArray[np.int64]
    """(2, longest + 1) the number of reviews with each number of tokens."""


def main() -> None:
    """Count, and write both tables."""
    name = read_source().name
    if name != "imdb":
        remedy = "set data.sources to [imdb] in params.yaml and run `dvc repro download`"
        raise console.UserError(f"{RAW} holds the source {name}; expected imdb: {remedy}")
    counts = count(read_reviews("train", _ROWS), read_vocabulary()[:WORDS])
    write(counts)
    console.say(
        f"{counts.lengths.sum():,} reviews, {len(counts.words):,} words, {counts.tokens.sum():,} tokens of them "
        f"-> {WORD_COUNTS.name}, {REVIEW_LENGTHS.name}"
    )


def count(batches: Iterable[Reviews], words: Sequence[str]) -> Counts:
    """Count the words and the lengths of reviews by class.

    Args:
        batches: the reviews.
        words: the most frequent words, by rank. Tokens of other ranks count towards lengths only.
    """
    tokens = np.zeros((2, len(words)), np.int64)
    lengths = np.zeros((2, 0), np.int64)
    for batch in batches:
        sizes = np.diff(batch.offsets)
        lengths = np.pad(lengths, ((0, 0), (0, max(0, sizes.max(initial=0) + 1 - lengths.shape[1]))))
        labels = np.repeat(batch.labels, sizes)
        for label in (0, 1):
            ranks = batch.tokens[labels == label]
            tokens[label] += np.bincount(ranks, minlength=len(words) + 1)[1 : len(words) + 1]
            lengths[label] += np.bincount(sizes[batch.labels == label], minlength=lengths.shape[1])
    return Counts(list(words), tokens, lengths)


def write(counts: Counts) -> None:
    """Write both tables."""
    _write(WORD_COUNTS, "word", pa.array(counts.words), counts.tokens)
    _write(REVIEW_LENGTHS, "length", pa.array(np.arange(counts.lengths.shape[1], dtype=np.int32)), counts.lengths)


def _write(path: Path, key: str, keys: pa.Array, values: NDArray[np.int64]) -> None:
    table = pa.table({key: keys, "negative": values[0].astype(np.int32), "positive": values[1].astype(np.int32)})
    with storage.atomic_write(path) as beside:
        pq.write_table(table, beside, compression="zstd", compression_level=19, use_dictionary=["negative", "positive"])


def read() -> Counts:
    """Read both tables."""
    words, lengths = pq.read_table(WORD_COUNTS), pq.read_table(REVIEW_LENGTHS)
    return Counts(words.column("word").to_pylist(), _classes(words), _classes(lengths))


def _classes(table: pa.Table) -> NDArray[np.int64]:
    return np.stack([table.column(name).to_numpy() for name in ("negative", "positive")]).astype(np.int64)


if __name__ == "__main__":
    console.run(main, __doc__)
