"""Attributions: the effect of each word of a review on the log-odds that the review is positive."""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.inference.network import Network

LEAST = 0.005
"""The smallest effect that is shown, in log-odds. It rounds to 0.01."""


def leave_one_out(network: Network, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float64]:
    """Return how much lower the log-odds of positive are without a column, for each column of each review.

    The first product is computed once per review. For each column, the contribution of the column is subtracted. So the
    time grows with the entries of the matrix.

    Args:
        network: a trained network.
        matrix: (rows, columns) float32 CSR.

    Returns:
        (entries,) in the order of `matrix.data`. A positive value means that the word makes positive more likely.
    """
    columns, place = np.unique(matrix.indices, return_inverse=True)
    kernel = network.kernel[columns].astype(np.float64)
    normalized = network.normalize(matrix)
    values, squares = normalized.data.astype(np.float64), network.row_squares(normalized)
    shape = (matrix.shape[0], len(columns))
    sums = scipy.sparse.csr_matrix((values, place, matrix.indptr), shape) @ kernel
    whole = np.empty(len(sums))
    for some in network.chunks(len(sums)):
        whole[some] = network.log_odds(network.scale(sums[some], squares[some]))
    rows = np.repeat(np.arange(len(sums)), np.diff(matrix.indptr))
    effects = whole[rows]
    for some in network.chunks(len(effects)):
        row, value = rows[some], values[some]
        without = sums[row] - value[:, None] * kernel[place[some]]
        effects[some] -= network.log_odds(network.scale(without, squares[row] - value**2))
    return effects


def at_words(text: Sequence[str], effects: Mapping[str, float]) -> list[float]:
    """Return for each word of a text the strongest effect of a word or n-gram that it is part of, or 0.

    Args:
        text: the words of the text.
        effects: the effects of some words and n-grams.
    """
    strongest = [0.0] * len(text)
    for length in {each.count(" ") + 1 for each in effects}:
        for start in range(len(text) - length + 1):
            effect = effects.get(" ".join(text[start : start + length]), 0.0)
            for place in range(start, start + length):
                strongest[place] = max(strongest[place], effect, key=abs)
    return strongest
