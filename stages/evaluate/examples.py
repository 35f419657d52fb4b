"""Find the words with the largest effect and example reviews, for the report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import FEATURES, Columns, feature_parts, read_columns, read_part
from stages.contracts.reviews import RAW, Reviews, read_some_reviews, read_vocabulary
from stages.encoding import multi_hot, ngrams, vocabulary
from stages.encoding.ngrams import NGrams
from stages.evaluate.predictions import Predictions
from stages.inference.attribution import LEAST, leave_one_out
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
    chosen: dict[str, NDArray[np.int64]],
    probabilities: NDArray[np.float32],
    reviews: Reviews,
    matrix: scipy.sparse.csr_matrix,
    effects: NDArray[np.float64],
    words: Sequence[str],
    columns: Columns,
    known: NGrams,
    details: pd.DataFrame,
) -> dict[str, list[Example]]:
    """Describe the chosen reviews in words.

    Args:
        chosen: rows by title, as `choose_rows` returns them.
        probabilities: (rows,) of the whole split.
        reviews: the chosen reviews, in the order of `chosen`.
        matrix: the multi-hot rows of these reviews, (reviews, columns) CSR.
        effects: (entries,) of `stages.inference.attribution.leave_one_out` for `matrix`.
        words: the vocabulary: word r - 1 has rank r.
        columns: the words and n-grams that the columns stand for.
        known: the n-grams among them, as runs of ranks.
        details: of the whole split, as `read_details` returns them.
    """
    numbers = iter(range(len(reviews)))
    examples: dict[str, list[Example]] = {}
    for title, numbered in chosen.items():
        examples[title] = []
        for row, i in zip(numbered, numbers, strict=False):
            entries = slice(matrix.indptr[i], matrix.indptr[i + 1])
            marks = _marks(matrix.indices[entries], effects[entries])
            tokens = reviews.tokens[reviews.offsets[i] : reviews.offsets[i + 1]]
            pairs = zip(tokens[:_LONGEST].tolist(), _effects_at(tokens, marks, columns.singles, known), strict=False)
            spelled = [Word(words[token - 1], effect) for token, effect in pairs]
            strongest = [Word(columns.words[column], mark) for column, mark in marks.items()]
            examples[title].append(
                Example(
                    int(row),
                    bool(reviews.labels[i]),
                    float(probabilities[row]),
                    spelled,
                    strongest,
                    max(len(tokens) - _LONGEST, 0),
                    _place(details, int(row)),
                )
            )
    return examples


def _effects_at(tokens: NDArray[np.int32], marks: dict[int, float], singles: int, known: NGrams) -> list[float]:
    """Return the effect of the strongest marked word or n-gram at each token of a review, or 0."""
    effects = [marks.get(column, 0.0) for column in vocabulary.columns(tokens, singles).tolist()]
    review = Reviews(tokens, np.array([0, len(tokens)], np.int32), np.zeros(1, np.uint8))
    first = singles
    for length, (places, found) in enumerate(known.columns_in(review), start=2):
        for place, column in zip(places.tolist(), (first + found).tolist(), strict=True):
            for at in range(place, place + length):
                effects[at] = max(effects[at], marks.get(column, 0.0), key=abs)
        first += len(known.columns[length - 2])
    return effects


def _place(details: pd.DataFrame, row: int) -> str:
    if "file" not in details:
        return ""
    file, number = details.loc[row, ["file", "row"]]
    return f"{file}, row {number:,}" if number else str(file)


def _marks(columns: NDArray[np.int32], effects: NDArray[np.float64]) -> dict[int, float]:
    """Return the columns with the largest effects in a review, the strongest first, with their log-odds."""
    strongest = np.argsort(-np.abs(effects), kind="stable")
    worth = (columns[strongest] >= len(vocabulary.SPECIAL)) & (np.abs(effects[strongest]) >= LEAST)
    return {int(columns[entry]): float(effects[entry]) for entry in strongest[worth][:_MARKED]}


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
    singles = columns.words[: columns.singles]
    if vocabulary.column_words(words, len(singles)) != singles or some.labels.tolist() != labels[numbers].tolist():
        raise UserError(f"{RAW} and {FEATURES} come from two different runs: run `dvc repro`")
    known = ngrams.parse(columns, words)
    matrix = multi_hot.encode(some, len(singles), known).matrix
    effects = leave_one_out(network, matrix)
    return describe(chosen, predictions.probabilities, some, matrix, effects, words, columns, known, details)
