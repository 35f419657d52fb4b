"""Reasons: how much each word of a review speaks for positive, and how much for negative."""

import keras
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

LEAST = 0.005
"""Log-odds: what a word contributes to be shown, two decimals of it."""
_AT_A_TIME = 2048
"""Entries at a time: few enough to stay in the processor's cache, and in memory where a layer is wide."""


def leave_one_out(network: keras.Sequential, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float64]:
    """How far the log-odds of positive fall when a review loses one word, for each word of each review.

    Args:
        network: Dense layers, as `stages.train.network.build` makes them.
        matrix: (rows, columns) CSR.

    Returns:
        (entries,) in the order of `matrix.data`: above 0 for a word that speaks for positive in its review.
    """
    kernel, bias = (weights.astype(np.float64) for weights in network.layers[0].get_weights())
    whole = matrix @ kernel + bias
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    falls: NDArray[np.float64] = _log_odds(network, whole)[row]
    for start in range(0, matrix.nnz, _AT_A_TIME):
        some = slice(start, start + _AT_A_TIME)
        falls[some] -= _log_odds(network, whole[row[some]] - matrix.data[some, None] * kernel[matrix.indices[some]])
    return falls


def _log_odds(network: keras.Sequential, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the last layer's sigmoid is applied to, (rows,), from the (rows, units) sums of the first layer."""
    for below, layer in zip(network.layers, network.layers[1:], strict=False):
        kernel, bias = layer.get_weights()
        sums = np.asarray(below.activation(sums)) @ kernel.astype(np.float64) + bias
    log_odds: NDArray[np.float64] = sums[:, 0]
    return log_odds
