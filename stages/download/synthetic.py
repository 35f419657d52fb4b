"""Source `synthetic`: random reviews that need no network.

A review is a bag of words without an order. Its length is drawn from the lengths of IMDB's reviews of its class. Each
word is drawn from one of two urns, which hold the words of IMDB's positive and negative training reviews (see
checks/word_counts.py). A word comes from the urn of the review's own class with probability (1 + s) / 2, where
s ~ Beta(1, 0.4) is drawn once per review. So some reviews are clearer than others, and a network has about the same
accuracy on them as on IMDB.

The same seed gives the same bytes on every machine. All randomness comes from the raw stream of PCG64, which NumPy
promises not to change. An urn is an array of 2^bits slots, and random bits select a slot. s = 1 - u^2.5 needs only
products and a square root, which IEEE 754 defines to the last bit.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages import workers
from stages.contracts.reviews import PART_ROWS, SPLITS, Reviews
from stages.download.corpus import Corpus, Part
from stages.params import Synthetic

WORD_COUNTS = Path(__file__).with_name("word_counts.parquet")
"""Columns: word, and its count in the negative and in the positive reviews. Sorted by IMDB's frequency rank."""
REVIEW_LENGTHS = Path(__file__).with_name("review_lengths.parquet")
"""Columns: length, and the number of negative and positive reviews with as many tokens. Row i is length i."""
BATCH = 5_000
"""Number of reviews in a batch, each with its own stream. It is even, so that half of the reviews are positive."""
_WORD_BITS, _LENGTH_BITS, _CHANCE_BITS = 22, 16, 16


def load(settings: Synthetic) -> Corpus:
    """Draw a corpus. The training split is drawn twice, the first time to count and rank the words.

    25,000 + 25,000 reviews are 12 million tokens and take a second on one core. Memory does not grow with the number of
    rows.
    """
    vocabulary, counts = read_counts(WORD_COUNTS)
    words = _urns(counts, _WORD_BITS)
    lengths = _urns(read_counts(REVIEW_LENGTHS)[1], _LENGTH_BITS)
    size = 100 * (settings.train_rows + settings.test_rows)  # as long as it takes to read as many bytes of text
    drawn = _parts(words, lengths, settings.seed, "train", settings.train_rows)
    counts = np.sum(workers.run(partial(_count, len(vocabulary)), drawn, size, "counting", range(len(drawn))), axis=0)
    order = np.argsort(-counts, kind="stable")
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    words = ranks[words]
    splits = {
        "train": _parts(words, lengths, settings.seed, "train", settings.train_rows),
        "test": _parts(words, lengths, settings.seed, "test", settings.test_rows),
    }
    return Corpus("synthetic", vocabulary.take(order), counts[order], splits, size=size)


def read_counts(path: Path) -> tuple[pa.Array, NDArray[np.int64]]:
    """Read a table: the words or the lengths, and (2, values) the count of each in both classes, negative first."""
    table = pq.read_table(path)
    classes = [table.column(name).to_numpy() for name in ("negative", "positive")]
    return table.column(0).combine_chunks(), np.stack(classes).astype(np.int64)


def _count(words: int, part: Part) -> NDArray[np.int64]:
    return sum((np.bincount(batch.tokens, minlength=words) for batch in part()), np.zeros(words, np.int64))


def _parts(words: NDArray[np.int32], lengths: NDArray[np.int32], seed: int, split: str, rows: int) -> list[Part]:
    """Return the parts of a split. The arguments are those of `_draw`."""
    starts = range(0, rows, PART_ROWS)
    return [partial(_draw, words, lengths, seed, split, start, min(start + PART_ROWS, rows)) for start in starts]


def _urns(counts: NDArray[np.int64], bits: int) -> NDArray[np.int32]:
    """Fill an urn for each class with the values 0, 1, ..., in proportion to their counts.

    Args:
        counts: (2, values) the count of each value in each class.
        bits: an urn has 2^bits slots.

    Returns:
        (2 x 2^bits,) the urn of the negative class, then that of the positive class.
    """
    edges = (np.cumsum(counts, axis=1) << bits) // counts.sum(axis=1, keepdims=True)
    values = np.arange(counts.shape[1], dtype=np.int32)
    return np.concatenate([np.repeat(values, np.diff(row, prepend=0)) for row in edges])


def _draw(
    words: NDArray[np.int32], lengths: NDArray[np.int32], seed: int, split: str, first: int, end: int
) -> Iterator[Reviews]:
    """Draw a part of a split, batch by batch.

    Args:
        words: the urns of words of both classes.
        lengths: the urns of review lengths of both classes.
        seed: from 0 to 2^32 - 1.
        split: the name of the split. Each split has its own random stream.
        first: the number of the first review, a multiple of `BATCH`.
        end: the number after that of the last.
    """
    for start in range(first, end, BATCH):
        size = min(BATCH, end - start)
        stream = np.random.PCG64(np.random.SeedSequence([seed, SPLITS.index(split), start // BATCH]))
        order, length, chance = stream.random_raw(3 * size).reshape(3, size)
        labels = np.argsort(order, kind="stable") % 2
        sizes = lengths[labels << _LENGTH_BITS | _top(length, _LENGTH_BITS)]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        raw = stream.random_raw(int(offsets[-1]))  # the lowest bits select the class, the highest the slot
        drawn = (raw & np.uint64((1 << _CHANCE_BITS) - 1)).astype(np.int64)
        urn = (drawn < np.repeat(_positive(labels, chance), sizes)).astype(np.int64)
        tokens = words[urn << _WORD_BITS | _top(raw, _WORD_BITS)]
        yield Reviews(tokens, offsets.astype(np.int32), labels.astype(np.uint8))


def _positive(labels: NDArray[np.int64], raw: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the probability, for each review, that a word comes from the positive urn, in units of 2^-16.

    If u is uniform, s = 1 - u^2.5 has the distribution Beta(1, 0.4), and (1 + s) / 2 = 1 - u^2.5 / 2.
    """
    one = 1 << _CHANCE_BITS
    u = _top(raw, _CHANCE_BITS) / one
    other = (u * u * np.sqrt(u) / 2 * one).astype(np.int64)
    return np.where(labels == 1, one - other, other)


def _top(raw: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """Return the highest bits of 64-bit numbers, as integers."""
    return (raw >> np.uint64(64 - bits)).astype(np.int64)
