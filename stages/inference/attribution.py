"""Attributions: how much each word of a review speaks for positive, and how much for negative."""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.inference import layers
from stages.inference.network import Network, row_squares

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
    values = network.normalize(matrix).astype(np.float64)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    sums = scipy.sparse.csr_matrix((values, place, matrix.indptr), (matrix.shape[0], len(columns))) @ kernel
    squares = row_squares(matrix, values)

    def log_odds(sums: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
        return network.log_odds(sums * layers.inverse_length(squares)[:, None] if network.unit_length else sums)

    whole = np.empty(len(sums))
    for some in network.slices(len(sums)):
        whole[some] = log_odds(sums[some], squares[some])
    falls = whole[rows]
    for some in network.slices(matrix.nnz):
        row, value = rows[some], values[some]
        falls[some] -= log_odds(sums[row] - value[:, None] * kernel[place[some]], squares[row] - value**2)
    return falls
