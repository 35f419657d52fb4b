"""Attributions: how much each word of a review speaks for positive, and how much for negative."""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.inference.network import Network

LEAST = 0.005
"""Log-odds: the smallest effect of a word that is shown, with two decimals."""


def leave_one_out(network: Network, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float64]:
    """How far the log-odds of positive fall when a review loses one column, for each column of each review.

    The first product is not computed anew for each column: what the column added to it is subtracted. So the time grows
    with the entries of the matrix, not with the columns of the network.

    Args:
        network: a trained network.
        matrix: (rows, columns) float32 CSR.

    Returns:
        (entries,) in the order of `matrix.data`: above 0 for a word that speaks for positive in its review.
    """
    columns, place = np.unique(matrix.indices, return_inverse=True)
    kernel = network.kernel[columns].astype(np.float64)
    normalized = network.normalize(matrix)
    values, squares = normalized.data.astype(np.float64), network.row_squares(normalized)
    shape = (matrix.shape[0], len(columns))
    sums = scipy.sparse.csr_matrix((values, place, matrix.indptr), shape) @ kernel
    whole = np.empty(len(sums))
    for some in network.slices(len(sums)):
        whole[some] = network.log_odds(network.scale(sums[some], squares[some]))
    rows = np.repeat(np.arange(len(sums)), np.diff(matrix.indptr))
    falls = whole[rows]
    for some in network.slices(len(falls)):
        row, value = rows[some], values[some]
        without = sums[row] - value[:, None] * kernel[place[some]]
        falls[some] -= network.log_odds(network.scale(without, squares[row] - value**2))
    return falls
