"""What the report tells of reviews: the words that push hardest, and the answers that say most about the network."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages import artifacts
from stages.artifacts import Reviews
from stages.console import UserError
from stages.evaluate import explain
from stages.train import rows
from stages.vectorize import multi_hot, vocabulary

_LOOKED_AT = 2000
"""Reviews that the words that push hardest are looked for in."""
_FEWEST = 20
"""Reviews that must hold a word before its mean is worth telling."""
_LISTED = 15
"""Words listed for each class."""
_MARKED = 12
"""Words marked in a review."""
_SEEN = 0.005
"""The smallest log-odds that two decimals show."""
_LONGEST = 1000
"""Words told of a review: a few in a thousand of IMDB's are longer."""


@dataclass(frozen=True)
class Push:
    """How a word moves the answers of the reviews that hold it."""

    word: str
    log_odds: float
    """Mean over those reviews: above 0 towards positive."""
    reviews: int


@dataclass(frozen=True)
class Pushes:
    """The words that push hardest, the hardest first."""

    positive: list[Push]
    negative: list[Push]
    rows: int
    """Reviews looked at."""
    fewest: int = _FEWEST
    """Reviews that hold each of the words, at least."""


def pushes(matrix: scipy.sparse.csr_matrix, falls: NDArray[np.float64], words: Sequence[str]) -> Pushes:
    """The words that push hardest towards each class, on average over the reviews that hold them.

    Args:
        matrix: (rows, columns) CSR.
        falls: what `stages.evaluate.explain.leave_one_out` says of it, (entries,).
        words: what each column stands for.
    """
    held = np.bincount(matrix.indices, minlength=matrix.shape[1])
    mean = np.bincount(matrix.indices, falls, minlength=matrix.shape[1]) / np.maximum(held, 1)
    often = np.flatnonzero(held >= _FEWEST)
    often = often[often >= len(vocabulary.SPECIAL)]
    order = often[np.argsort(mean[often], kind="stable")]
    told = [Push(words[column], float(mean[column]), int(held[column])) for column in order]
    return Pushes(
        [push for push in told[: -_LISTED - 1 : -1] if push.log_odds >= _SEEN],
        [push for push in told[:_LISTED] if push.log_odds <= -_SEEN],
        matrix.shape[0],
    )


def choose(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    """The rows worth reading: the surest right answers and mistakes, two of each answer, and the most doubtful rows.

    Args:
        labels: (rows,) 0 or 1.
        probabilities: (rows,) that each row is positive; above 0.5 the answer is positive.

    Returns:
        Rows by title: the surest first, or the most doubtful; fewer where there are no more.
    """
    answers = probabilities > 0.5
    right = answers == (labels > 0.5)
    surest = np.argsort(-np.abs(probabilities.astype(np.float64) - 0.5), kind="stable")

    def both(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.concatenate([surest[(which & said)[surest]][:2] for said in (answers, ~answers)])

    return {
        "The surest right answers": both(right),
        "The surest mistakes": both(~right),
        "The most doubtful": surest[: -3 - 1 : -1],
    }


@dataclass(frozen=True)
class Word:
    """A word where it stands in a review."""

    text: str
    log_odds: float = 0.0
    """How far leaving out all its occurrences would move the answer; 0 where that is not worth a mark."""


@dataclass(frozen=True)
class Told:
    """A review in words, and what drove its answer."""

    row: int
    positive: bool
    """Its label."""
    probability: float
    """Of positive."""
    words: list[Word]
    """In reading order."""
    strongest: list[Word]
    """Those with a mark, each once, the strongest first."""
    left_out: int
    """Words after the last of `words`."""


def tell(
    chosen: dict[str, NDArray[np.int64]],
    probabilities: NDArray[np.float32],
    reviews: Reviews,
    matrix: scipy.sparse.csr_matrix,
    falls: NDArray[np.float64],
    words: Sequence[str],
) -> dict[str, list[Told]]:
    """Put the chosen reviews into words.

    Args:
        chosen: rows by title, of `choose`.
        probabilities: (rows,) of the whole split.
        reviews: the chosen reviews, in the order of `chosen`.
        matrix: the same as features, (reviews, columns) CSR.
        falls: what `stages.evaluate.explain.leave_one_out` says of `matrix`, (entries,).
        words: the vocabulary: word r - 1 has rank r.
    """
    numbers = iter(range(len(reviews)))
    told: dict[str, list[Told]] = {}
    for title, numbered in chosen.items():
        told[title] = []
        for row, i in zip(numbered, numbers, strict=False):
            entries = slice(matrix.indptr[i], matrix.indptr[i + 1])
            marks = _marks(matrix.indices[entries], falls[entries])
            tokens = reviews.tokens[reviews.offsets[i] : reviews.offsets[i + 1]]
            columns = vocabulary.columns(tokens, matrix.shape[1])
            pairs = zip(tokens[:_LONGEST].tolist(), columns.tolist(), strict=False)
            spelled = [Word(words[token - 1], marks.get(column, 0.0)) for token, column in pairs]
            strongest = [Word(words[column - len(vocabulary.SPECIAL)], mark) for column, mark in marks.items()]
            told[title].append(
                Told(
                    int(row),
                    bool(reviews.labels[i]),
                    float(probabilities[row]),
                    spelled,
                    strongest,
                    max(len(tokens) - _LONGEST, 0),
                )
            )
    return told


def _marks(columns: NDArray[np.int32], falls: NDArray[np.float64]) -> dict[int, float]:
    """The columns whose words move one answer most, the strongest first, with their log-odds."""
    strongest = np.argsort(-np.abs(falls), kind="stable")
    worth = (columns[strongest] >= len(vocabulary.SPECIAL)) & (np.abs(falls[strongest]) >= _SEEN)
    return {int(columns[entry]): float(falls[entry]) for entry in strongest[worth][:_MARKED]}


def hardest(network: keras.Sequential) -> Pushes:
    """The words that push hardest in the first reviews of the test split."""
    first = next(rows.batches(rows.of("test"), _LOOKED_AT)).matrix[:_LOOKED_AT]
    return pushes(first, explain.leave_one_out(network, first), artifacts.read_columns().words)


def worth_reading(
    network: keras.Sequential, labels: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> dict[str, list[Told]]:
    """The reviews of the test split that `choose` chooses, told in words.

    Raises:
        UserError: data/raw holds other reviews or words than data/features was made of.
    """
    chosen = choose(labels, probabilities)
    numbers = np.concatenate(list(chosen.values()))
    some, words = artifacts.read_some_reviews("test", numbers.tolist()), artifacts.read_vocabulary()
    kept = vocabulary.column_words(words, network.input_shape[1])
    if kept != artifacts.read_columns().words or some.labels.tolist() != labels[numbers].tolist():
        raise UserError(f"{artifacts.RAW} and {artifacts.FEATURES} are of two runs; expected of one: `dvc repro`")
    matrix = multi_hot.encode(some, network.input_shape[1]).matrix
    falls = explain.leave_one_out(network, matrix)
    return tell(chosen, probabilities, some, matrix, falls, words)
