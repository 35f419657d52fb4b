"""Source `synthetic`: a stand-in for IMDB that needs no network.

A review is a bag of words, in no order. Its length is drawn from the lengths of IMDB's reviews of its class, each of
its words from one of two urns: the words of IMDB's positive and those of its negative training reviews (see
word_counts.py). A word comes from its own class's urn with probability (1 + s) / 2, where s ~ Beta(1, 0.4) is drawn for
each review: most say clearly what they think, some hardly do, and a network does on them as well as on IMDB.

The same seed gives the same bytes everywhere. The only randomness is the raw stream of PCG64, which NumPy promises
not to change; an urn is an array of 2^bits slots, of which each value has its share, so that some random bits name a
slot; and s = 1 - u^2.5 needs of floating point only products and a square root, which IEEE 754 defines to the last bit.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from stages.contracts.reviews import SPLITS, Reviews
from stages.download import word_counts
from stages.download.corpus import Corpus
from stages.params import Synthetic

BATCH = 5_000
"""Reviews drawn at a time, each batch from a stream of its own: even, so that half of them are positive."""
_WORD_BITS, _LENGTH_BITS, _CHANCE_BITS = 22, 16, 16


def load(settings: Synthetic) -> Corpus:
    """Draw a corpus, its training split twice: first to rank the words by how often it has them.

    25,000 + 25,000 reviews are 12 million tokens: a second with writing them, on one core. Memory does not grow with
    the rows: 150 MB.
    """
    table = word_counts.read()
    lengths = _urns(table.lengths, _LENGTH_BITS)
    words = _urns(table.tokens, _WORD_BITS)
    counts = np.zeros(len(table.words), np.int64)
    for batch in _draw(words, lengths, settings.seed, "train", settings.train_rows):
        counts += np.bincount(batch.tokens, minlength=len(counts))
    order = np.argsort(-counts, kind="stable")
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    words = ranks[words]
    splits: dict[str, Iterable[Reviews]] = {
        "train": _draw(words, lengths, settings.seed, "train", settings.train_rows),
        "test": _draw(words, lengths, settings.seed, "test", settings.test_rows),
    }
    return Corpus("synthetic", [table.words[row] for row in order], counts[order], splits)


def _urns(counts: NDArray[np.int64], bits: int) -> NDArray[np.int32]:
    """Fill an urn for each class with values 0, 1, ..., each in its share of the slots, give or take one.

    Args:
        counts: (2, values) how often each class has each value.
        bits: an urn has 2^bits slots.

    Returns:
        (2 x 2^bits,) the negative class's urn, then the positive one's.
    """
    edges = (np.cumsum(counts, axis=1) << bits) // counts.sum(axis=1, keepdims=True)
    values = np.arange(counts.shape[1], dtype=np.int32)
    return np.concatenate([np.repeat(values, np.diff(row, prepend=0)) for row in edges])


def _draw(words: NDArray[np.int32], lengths: NDArray[np.int32], seed: int, split: str, rows: int) -> Iterator[Reviews]:
    """Draw a split, batch by batch, its tokens being what `words` holds.

    Args:
        words: the classes' urns of words.
        lengths: the classes' urns of review lengths.
        seed: from 0 to 2^32 - 1.
        split: the split's name; the same rows are never drawn for another.
        rows: how many reviews.
    """
    for number, start in enumerate(range(0, rows, BATCH)):
        size = min(BATCH, rows - start)
        stream = np.random.PCG64(np.random.SeedSequence([seed, SPLITS.index(split), number]))
        order, length, chance = stream.random_raw(3 * size).reshape(3, size)
        labels = np.argsort(order, kind="stable") % 2
        sizes = lengths[labels << _LENGTH_BITS | _top(length, _LENGTH_BITS)]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        raw = stream.random_raw(int(offsets[-1]))  # a token takes its class from the lowest bits, its slot from the top
        drawn = (raw & np.uint64((1 << _CHANCE_BITS) - 1)).astype(np.int64)
        urn = (drawn < np.repeat(_positive(labels, chance), sizes)).astype(np.int64)
        tokens = words[urn << _WORD_BITS | _top(raw, _WORD_BITS)]
        yield Reviews(tokens, offsets.astype(np.int32), labels.astype(np.uint8))


def _positive(labels: NDArray[np.int64], raw: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How likely a word of each review comes from the positive urn, in units of 2^-16.

    u being uniform, s = 1 - u^2.5 has the distribution Beta(1, 0.4): (1 + s) / 2 = 1 - u^2.5 / 2.
    """
    one = 1 << _CHANCE_BITS
    u = _top(raw, _CHANCE_BITS) / one
    other = (u * u * np.sqrt(u) / 2 * one).astype(np.int64)
    return np.where(labels == 1, one - other, other)


def _top(raw: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """The topmost bits of 64, as a whole number."""
    return (raw >> np.uint64(64 - bits)).astype(np.int64)
