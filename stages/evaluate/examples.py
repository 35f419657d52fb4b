"""What the report shows of reviews: the words with the largest effect, and example reviews."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import FEATURES, feature_parts, read_columns, read_part
from stages.contracts.reviews import RAW, Reviews, read_some_reviews, read_vocabulary
from stages.encoding import multi_hot, vocabulary
from stages.inference.attribution import LEAST, leave_one_out
from stages.inference.network import Network

_LOOKED_AT = 2000
"""Test reviews in which the effects of words are measured."""
_FEWEST = 20
"""Reviews that must hold a word for its mean effect to be listed."""
_LISTED = 15
"""Words listed for each class."""
_MARKED = 12
"""Words marked in a review."""
_LONGEST = 1000
"""Words shown of a review; a few in a thousand of IMDB's reviews are longer."""


@dataclass(frozen=True)
class WordEffect:
    """The effect of a word on the log-odds of the reviews that hold it."""

    word: str
    log_odds: float
    """Mean over those reviews: above 0 towards positive."""
    reviews: int


@dataclass(frozen=True)
class TopWords:
    """The words with the largest effect for each class, largest first."""

    positive: list[WordEffect]
    negative: list[WordEffect]
    rows: int
    """Reviews in which the effects were measured."""
    fewest: int = _FEWEST
    """The least number of reviews that hold a listed word."""


def top_words(matrix: scipy.sparse.csr_matrix, effects: NDArray[np.float64], words: Sequence[str]) -> TopWords:
    """Find the words with the largest effect for each class, on average over the reviews that hold them.

    Args:
        matrix: (rows, columns) CSR.
        effects: (entries,) of `stages.inference.attribution.leave_one_out` for this matrix.
        words: what each column stands for.
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


def choose_rows(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    """Choose example rows: the surest right answers and mistakes, two of each class, and the most doubtful rows.

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
class Example:
    """A review in words, with the words that had the largest effect."""

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


def describe(
    chosen: dict[str, NDArray[np.int64]],
    probabilities: NDArray[np.float32],
    reviews: Reviews,
    matrix: scipy.sparse.csr_matrix,
    effects: NDArray[np.float64],
    words: Sequence[str],
) -> dict[str, list[Example]]:
    """Put the chosen reviews into words.

    Args:
        chosen: rows by title, as `choose_rows` returns them.
        probabilities: (rows,) of the whole split.
        reviews: the chosen reviews, in the order of `chosen`.
        matrix: the same as features, (reviews, columns) CSR.
        effects: (entries,) of `stages.inference.attribution.leave_one_out` for `matrix`.
        words: the vocabulary: word r - 1 has rank r.
    """
    numbers = iter(range(len(reviews)))
    examples: dict[str, list[Example]] = {}
    for title, numbered in chosen.items():
        examples[title] = []
        for row, i in zip(numbered, numbers, strict=False):
            entries = slice(matrix.indptr[i], matrix.indptr[i + 1])
            marks = _marks(matrix.indices[entries], effects[entries])
            tokens = reviews.tokens[reviews.offsets[i] : reviews.offsets[i + 1]]
            columns = vocabulary.columns(tokens, matrix.shape[1])
            pairs = zip(tokens[:_LONGEST].tolist(), columns.tolist(), strict=False)
            spelled = [Word(words[token - 1], marks.get(column, 0.0)) for token, column in pairs]
            strongest = [Word(words[column - len(vocabulary.SPECIAL)], mark) for column, mark in marks.items()]
            examples[title].append(
                Example(
                    int(row),
                    bool(reviews.labels[i]),
                    float(probabilities[row]),
                    spelled,
                    strongest,
                    max(len(tokens) - _LONGEST, 0),
                )
            )
    return examples


def _marks(columns: NDArray[np.int32], effects: NDArray[np.float64]) -> dict[int, float]:
    """The columns whose words move one answer most, the strongest first, with their log-odds."""
    strongest = np.argsort(-np.abs(effects), kind="stable")
    worth = (columns[strongest] >= len(vocabulary.SPECIAL)) & (np.abs(effects[strongest]) >= LEAST)
    return {int(columns[entry]): float(effects[entry]) for entry in strongest[worth][:_MARKED]}


def find_top_words(network: Network) -> TopWords:
    """Find the words with the largest effect in the first reviews of the test split, all in one part."""
    first = read_part(feature_parts("test")[0]).matrix[:_LOOKED_AT]
    return top_words(first, leave_one_out(network, first), read_columns().words)


def find_examples(
    network: Network, labels: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> dict[str, list[Example]]:
    """Find example reviews in the test split, and describe them in words.

    Raises:
        UserError: data/raw holds other reviews or words than data/features was made of.
    """
    chosen = choose_rows(labels, probabilities)
    numbers = np.concatenate(list(chosen.values()))
    some, words = read_some_reviews("test", numbers.tolist()), read_vocabulary()
    kept = vocabulary.column_words(words, network.columns)
    if kept != read_columns().words or some.labels.tolist() != labels[numbers].tolist():
        raise UserError(f"{RAW} and {FEATURES} come from two different runs: run `dvc repro`")
    matrix = multi_hot.encode(some, network.columns).matrix
    effects = leave_one_out(network, matrix)
    return describe(chosen, probabilities, some, matrix, effects, words)
