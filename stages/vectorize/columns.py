"""Choose the columns of the features: special ones, the most frequent words, then n-grams."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stages import console, workers
from stages.contracts.reviews import Reviews, read_review_part, review_parts
from stages.encoding import ngrams, vocabulary
from stages.encoding.ngrams import NGrams
from stages.params import Vectorize


def choose(words: list[str], settings: Vectorize) -> tuple[list[str], int, NGrams]:
    """Choose the columns, given the words of the training split by frequency rank.

    An n-gram gets a column if at least `vectorize.min_count` reviews of the training split contain it. N-grams of two
    words come first. Among those of the same length, the one that more reviews contain comes first. Among equals, the
    ranks of their words decide. The training split is read once for each length.

    Returns:
        The text of each column, how many of these stand for single words, and the n-grams.
    """
    texts = vocabulary.column_words(words, settings.num_words)
    num_word_columns, known = len(texts), NGrams(len(words))
    all_words = pa.array(words)
    known_texts = all_words  # of the n-grams one word shorter, by number
    for length in range(2, settings.ngrams + 1):
        counts = _count(known, length, settings)
        counts = counts[counts >= settings.min_count]
        keys = counts.index.to_numpy()
        by_column = np.argsort(-counts.to_numpy(), kind="stable")  # the number of the n-gram in each column
        known = ngrams.add(known, keys, columns=np.argsort(by_column))
        first, last = (pa.array(part) for part in np.divmod(keys, len(words)))
        known_texts = pc.binary_join_element_wise(known_texts.take(first), all_words.take(last), " ")
        texts += known_texts.take(pa.array(by_column)).to_pylist()
        console.say(f"{len(keys):,} n-grams of {length} words in at least {settings.min_count} training reviews")
    return texts, num_word_columns, known


def work(paths: Sequence[Path], settings: Vectorize) -> int:
    """Return the bytes of parts of data/raw, counted for each length of n-grams, for `workers.run`."""
    return settings.ngrams * sum(path.stat().st_size for path in paths)


class _Task(NamedTuple):
    path: Path
    rows: int
    known: NGrams
    length: int


def _count(known: NGrams, length: int, settings: Vectorize) -> "pd.Series[int]":
    """Return how many training reviews contain each run of the given length, by its key, in the order of the keys.

    Only runs that start with a known n-gram, one word shorter, are counted.
    """
    paths = review_parts("train")
    tasks = [_Task(path, settings.rows_per_part, known, length) for path in paths]
    return _sum(workers.run(_count_in_part, tasks, work(paths, settings), "counting n-grams", paths))


def _count_in_part(task: _Task) -> "pd.Series[int]":
    return _sum([_count_in(task.known, task.length, some) for some in read_review_part(task.path, task.rows)])


def _sum(counts: Sequence["pd.Series[int]"]) -> "pd.Series[int]":
    return counts[0] if len(counts) == 1 else pd.concat(counts).groupby(level=0).sum()


def _count_in(known: NGrams, length: int, reviews: Reviews) -> "pd.Series[int]":
    *_, shorter = known.find(reviews)
    runs = known.extend(shorter, length, reviews)
    order = np.argsort(runs.numbers, kind="stable")  # stable: among equal keys, the rows stay in order
    keys, rows = runs.numbers[order], ngrams.rows_of(runs.places[order], reviews)
    once_per_review = _differs(keys) | _differs(rows)
    found, counts = np.unique(keys[once_per_review], return_counts=True)
    return pd.Series(counts, found, dtype=np.int64)


def _differs(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each value differs from the one before it."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]
