"""Find the words with the largest effect and example reviews, for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import FEATURES, feature_parts, read_columns, read_part
from stages.contracts.reviews import RAW, read_some_reviews, read_vocabulary
from stages.encoding import multi_hot, ngrams, vocabulary
from stages.evaluate.predictions import Predictions
from stages.inference.attribution import LEAST, at_words, leave_one_out
from stages.inference.network import Network

_LOOKED_AT = 2000
"""The number of test reviews in which the effects of words are measured."""
_FEWEST = 20
"""A word is only listed if at least this many reviews contain it."""
_LISTED = 15
"""The number of words listed for each class."""
_MARKED = 12
"""The number of words marked in a review."""
_LONGEST = 1000
"""The number of words shown of a review. A few in a thousand of IMDB's reviews are longer."""


@dataclass(frozen=True)
class WordEffect:
    """The effect of a word on the log-odds of the reviews that contain it."""

    word: str
    log_odds: float
    """The mean over these reviews. A positive value makes positive more likely."""
    reviews: int


@dataclass(frozen=True)
class TopWords:
    """The words with the largest effect for each class, largest first."""

    positive: list[WordEffect]
    negative: list[WordEffect]
    rows: int
    """The number of reviews in which the effects were measured."""
    fewest: int = _FEWEST
    """A listed word is in at least this many reviews."""


def top_words(matrix: scipy.sparse.csr_matrix, effects: NDArray[np.float64], words: Sequence[str]) -> TopWords:
    """Find the words with the largest mean effect for each class, over the reviews that contain them.

    Args:
        matrix: (rows, columns) CSR.
        effects: (entries,) of `stages.inference.attribution.leave_one_out` for this matrix.
        words: the word of each column.
    """
    held = np.bincount(matrix.indices, minlength=matrix.shape[1])
    mean = np.bincount(matrix.indices, effects, minlength=matrix.shape[1]) / np.maximum(held, 1)
    often = np.flatnonzero(held >= _FEWEST)
    often = often[often >= len(vocabulary.SPECIAL)]
    order = often[np.argsort(mean[often], kind="stable")]
    ranked = [WordEffect(words[column], float(mean[column]), int(held[column])) for column in order]
    return TopWords(
        [word for word in ranked[: -_LISTED - 1 : -1] if word.log_odds >= LEAST],
        [word for word in ranked[:_LISTED] if word.log_odds <= -LEAST],
        matrix.shape[0],
    )


def choose_rows(predictions: Predictions) -> dict[str, NDArray[np.int64]]:
    """Choose example rows: the surest right and wrong predictions, two per class, and the three most doubtful rows.

    Probabilities far from the threshold are sure, and those close to it are doubtful.

    Returns:
        The rows by title, with the surest or the most doubtful first. There may be fewer of them.
    """
    positive, right = predictions.positive, predictions.right
    distance = np.abs(predictions.probabilities.astype(np.float64) - predictions.threshold)
    surest = np.argsort(-distance, kind="stable")

    def both(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.concatenate([surest[(which & said)[surest]][:2] for said in (positive, ~positive)])

    return {
        "The surest right answers": both(right),
        "The surest mistakes": both(~right),
        "The most doubtful": surest[: -3 - 1 : -1],
    }


@dataclass(frozen=True)
class Word:
    """A word at its place in a review."""

    text: str
    log_odds: float = 0.0
    """The effect of the word, or 0 if it is too small for a mark."""


@dataclass(frozen=True)
class Example:
    """A review in words, with the words that had the largest effect."""

    row: int
    positive: bool
    """The label."""
    probability: float
    """The probability that it is positive."""
    words: list[Word]
    """The words in reading order."""
    strongest: list[Word]
    """The marked words, each once, with the strongest first."""
    left_out: int
    """The number of words after the last of `words`."""
    place: str = ""
    """The file and the row of a review of your own."""


def describe(
    row: int, text: Sequence[str], effects: Mapping[str, float], predictions: Predictions, details: pd.DataFrame
) -> Example:
    """Describe a review of the test split in words.

    Args:
        row: the row of the review.
        text: its words.
        effects: the effect of each of its words and n-grams that has a column.
        predictions: of the whole split.
        details: of the whole split, as `read_details` returns them.
    """
    large = {word: effect for word, effect in effects.items() if abs(effect) >= LEAST}
    marked = dict(sorted(large.items(), key=lambda item: -abs(item[1]))[:_MARKED])
    return Example(
        row,
        bool(predictions.labels[row]),
        float(predictions.probabilities[row]),
        list(map(Word, text, at_words(text, marked)))[:_LONGEST],
        [Word(word, effect) for word, effect in marked.items()],
        max(len(text) - _LONGEST, 0),
        _place(details, row),
    )


def _place(details: pd.DataFrame, row: int) -> str:
    if "file" not in details:
        return ""
    file, number = details.loc[row, ["file", "row"]]
    return f"{file}, row {number:,}" if number else str(file)


def find_top_words(network: Network) -> TopWords:
    """Find the words with the largest effect in the first reviews of the first part of the test split."""
    first = read_part(feature_parts("test")[0]).matrix[:_LOOKED_AT]
    return top_words(first, leave_one_out(network, first), read_columns().words)


def find_examples(network: Network, predictions: Predictions, details: pd.DataFrame) -> dict[str, list[Example]]:
    """Find example reviews in the test split, and describe them in words.

    Args:
        network: the network.
        predictions: of the whole test split.
        details: what else is known of its rows, as `read_details` returns them.

    Raises:
        UserError: data/raw and data/features come from two different runs.
    """
    chosen, labels = choose_rows(predictions), predictions.labels
    numbers = np.concatenate(list(chosen.values()))
    some, words, columns = read_some_reviews("test", numbers.tolist()), read_vocabulary(), read_columns()
    known = columns.words[: columns.num_word_columns]
    if vocabulary.column_words(words, len(known)) != known or some.labels.tolist() != labels[numbers].tolist():
        raise UserError(f"{RAW} and {FEATURES} come from two different runs: run `dvc repro`")
    matrix = multi_hot.encode(some, len(known), ngrams.parse(columns, words)).matrix
    found = []
    for row, tokens, entries, values in zip(
        numbers.tolist(),
        np.split(some.tokens, some.offsets[1:-1]),
        np.split(matrix.indices, matrix.indptr[1:-1]),
        np.split(leave_one_out(network, matrix), matrix.indptr[1:-1]),
        strict=True,
    ):
        pairs = zip(entries.tolist(), values.tolist(), strict=True)
        effects = {columns.words[column]: effect for column, effect in pairs if column >= len(vocabulary.SPECIAL)}
        found.append(describe(row, [words[token - 1] for token in tokens.tolist()], effects, predictions, details))
    examples = iter(found)
    return {title: list(islice(examples, len(rows))) for title, rows in chosen.items()}
