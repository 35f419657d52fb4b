"""Multiply the inputs by log-count ratios (Wang and Manning 2012, https://aclanthology.org/P12-2018)."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from stages.train import rows
from stages.train.rows import RowRange

_LEAST = 1e-6
"""The smallest factor of a column, because a Normalization layer cannot multiply by 0."""


def adapt(network: keras.Sequential, ranges: Sequence[RowRange]) -> None:
    """Make the Normalization layer in front of a network multiply by the |log-count ratios|.

    The layer divides a column by its standard deviation. So it gets the mean 0 and the variance 1 / ratio^2. The sign
    makes no difference, because the weights that follow can have either sign. The ratios must come from the rows that
    the network is then trained on. If they came from the hold-out as well, the validation would see its own labels.
    """
    layer = network.layers[0]
    ratios = np.maximum(np.abs(log_ratios(ranges, network.input_shape[1])), _LEAST)
    layer.adapt_mean.assign(np.zeros_like(ratios))
    layer.adapt_variance.assign(ratios**-2.0)
    layer.finalize_state()


def log_ratios(ranges: Sequence[RowRange], columns: int) -> NDArray[np.float64]:
    """Return log(p / q) for each column, (columns,).

    p is the share of the column in all ones of positive rows, and q its share in all ones of negative rows. Each count
    is increased by one, so that no share is 0.
    """
    counts = np.ones((2, columns))
    for some in rows.batches(ranges, size=1):
        labels = np.repeat(some.labels, np.diff(some.matrix.indptr)) > 0.5
        for label in (0, 1):
            counts[label] += np.bincount(some.matrix.indices[labels == label], minlength=columns)
    negative, positive = counts / counts.sum(axis=1, keepdims=True)
    ratios: NDArray[np.float64] = np.log(positive / negative)
    return ratios
