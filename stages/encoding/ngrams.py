"""N-grams: runs of words.

An n-gram is written as its words, joined by spaces. To look up all runs of many reviews at once, the n-grams of each
length are numbered from 0, and the key of an n-gram is one integer: `number of its first words * number of all words +
number of its last word`. So the first words of an n-gram must be a known n-gram, too. They always are if n-grams are
chosen by the number of reviews that contain them, since each of these reviews contains the first words as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import Columns
from stages.contracts.reviews import Reviews
from stages.encoding.vocabulary import SPECIAL

if TYPE_CHECKING:
    import pandas as pd


class Runs(NamedTuple):
    """Runs of words, all of the same length, in some reviews."""

    places: NDArray[np.int64]
    """(runs,) the place of the first token of each run in `Reviews.tokens`, ascending."""
    numbers: NDArray[np.int64]
    """(runs,) what `find` yields: the number of each n-gram; `extend`: its key; `columns_in`: its column."""


@dataclass(frozen=True)
class NGrams:
    """The n-grams that have a column."""

    num_words: int = 0
    """The number of words. A token above this number is an unknown word, which no n-gram contains."""
    keys: Sequence["pd.Index[int]"] = ()
    """The sorted keys of the n-grams of two words, of three words, and so on. An n-gram's number is its place here."""
    columns: Sequence[NDArray[np.int64]] = ()
    """For each of these lengths, the column of each n-gram, counted from the first column of this length."""

    def find(self, reviews: Reviews) -> Iterator[Runs]:
        """Yield the known n-grams in reviews, with their numbers: words by themselves, then runs of two, and so on."""
        places = np.flatnonzero(reviews.tokens <= self.num_words)
        runs = Runs(places, reviews.tokens[places].astype(np.int64) - 1)
        yield runs
        for length, keys in enumerate(self.keys, start=2):
            longer = self.extend(runs, length, reviews)
            numbers = keys.get_indexer(longer.numbers)  # type: ignore[arg-type]
            known = numbers >= 0
            runs = Runs(longer.places[known], numbers[known])
            yield runs

    def columns_in(self, reviews: Reviews) -> Iterator[Runs]:
        """Yield the known n-grams in reviews, with their columns in `columns`: runs of two words, and so on."""
        found = self.find(reviews)
        next(found)  # words by themselves
        for runs, columns in zip(found, self.columns, strict=True):
            yield Runs(runs.places, columns[runs.numbers])

    def extend(self, runs: Runs, length: int, reviews: Reviews) -> Runs:
        """Return the runs of the given length, with their keys, that start with the given runs, one word shorter."""
        ends = reviews.offsets[1:][rows_of(runs.places, reviews)]
        last = runs.places + (length - 1)
        fits = np.flatnonzero(last < ends)
        fits = fits[reviews.tokens[last[fits]] <= self.num_words]
        return Runs(runs.places[fits], runs.numbers[fits] * self.num_words + reviews.tokens[last[fits]] - 1)


def rows_of(places: NDArray[np.int64], reviews: Reviews) -> NDArray[np.int64]:
    """Return the row of the review that holds each place in `Reviews.tokens`."""
    rows: NDArray[np.int64] = np.searchsorted(reviews.offsets[1:], places, side="right")
    return rows


def all_words(columns: Columns) -> list[str]:
    """Return the words that have a column, by column, and then those that occur in n-grams only."""
    known = columns.words[len(SPECIAL) : columns.num_word_columns]
    if columns.longest == 1:  # without PyArrow's arrays, for which it imports pandas
        return known
    words = _split(columns).flatten().unique()
    others: list[str] = words.filter(pc.invert(pc.is_in(words, value_set=pa.array(known, pa.string())))).to_pylist()
    return known + others


def parse(columns: Columns, words: Sequence[str]) -> NGrams:
    """Return the n-grams among columns.

    Args:
        columns: the columns. Longer n-grams come after shorter ones.
        words: the words, where token t stands for `words[t - 1]`.

    Raises:
        UserError: a word of an n-gram is not among the words, or its first words are not an n-gram.
    """
    if columns.longest == 1:
        return NGrams(len(words))
    split = _split(columns)
    starts, lengths = split.offsets.to_numpy()[:-1], pc.list_value_length(split).to_numpy()
    tokens = pc.index_in(split.flatten(), value_set=pa.array(words)).fill_null(-1).to_numpy().astype(np.int64)
    known = NGrams(len(words))
    for length in range(2, columns.longest + 1):
        # Of "one of the": the number of "one", then that of "one of", and the key of "one of the".
        *first_words, last = (tokens[starts[lengths == length] + place] for place in range(length))
        numbers = first_words[0]
        missing = numbers < 0
        for shorter, token in zip(known.keys, first_words[1:], strict=True):
            missing |= token < 0
            numbers = shorter.get_indexer(numbers * len(words) + token)
            missing |= numbers < 0
        if (missing | (last < 0)).any():
            raise UserError(
                "columns.parquet does not fit the vocabulary, or lacks the start of an n-gram: run `dvc repro`"
            )
        keys = numbers * len(words) + last
        known = add(known, np.sort(keys), np.argsort(keys, kind="stable"))
    return known


def _split(columns: Columns) -> pa.ListArray:
    return pc.split_pattern(pa.array(columns.words[columns.num_word_columns :], pa.string()), " ")


def add(shorter: NGrams, keys: NDArray[np.int64], columns: NDArray[np.int64]) -> NGrams:
    """Return n-grams with those of one more length: their sorted keys, and the column of each."""
    import pandas as pd  # here, because `predict` needs it only for n-grams

    return NGrams(shorter.num_words, [*shorter.keys, pd.Index(keys)], [*shorter.columns, columns])
