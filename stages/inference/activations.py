"""Keras's activations in NumPy, by the names that Keras knows them by.

The formulas are those of Keras's documentation (https://keras.io/api/layers/activations/). Each function takes and
returns (rows, units) float64. A row's result does not depend on the other rows: sums along a row are added from its
first unit to its last one.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Units = NDArray[np.float64]
"""(rows, units)."""
Activation = Callable[[Units], Units]

RELU_SETTINGS = ("negative_slope", "max_value", "threshold")
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def row_sums(x: Units) -> Units:
    """The sum of each row, (rows, 1), from the first unit to the last one.

    `np.sum` adds in an order that depends on how the array lies in memory, and so on the number of rows.
    """
    total = np.zeros((len(x), 1))
    for unit in range(x.shape[1]):
        total += x[:, unit : unit + 1]
    return total


def relu(x: Units, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Units:
    """`keras.layers.ReLU`, whose defaults are those of the activation."""
    positive = np.where(x > threshold, x, 0.0)
    if max_value is not None:
        positive = np.minimum(positive, max_value)
    return positive - negative_slope * np.maximum(threshold - x, 0.0) if negative_slope else positive


def leaky_relu(x: Units, negative_slope: float | NDArray[np.float64] = 0.2) -> Units:
    """`keras.activations.leaky_relu`; the layer `LeakyReLU` has another default."""
    return np.where(x > 0, x, negative_slope * x)


def elu(x: Units, alpha: float = 1.0) -> Units:
    """`keras.activations.elu`."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def sigmoid(x: Units) -> Units:
    """`keras.activations.sigmoid`, without an overflow for very negative units."""
    small: Units = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def softmax(x: Units) -> Units:
    """`keras.activations.softmax` along each row."""
    exponentials: Units = np.exp(x - x.max(axis=1, keepdims=True))
    return exponentials / row_sums(exponentials)


def _log_softmax(x: Units) -> Units:
    shifted: Units = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(row_sums(np.exp(shifted)))


def _sparsemax(x: Units) -> Units:
    """`keras.activations.sparsemax` as Keras 3.15 computes it in TensorFlow.

    It adds the cumulative sums of all units in the support. Martins and Astudillo 2016
    (https://arxiv.org/abs/1602.02068), Algorithm 1, take the last one. A network has to be used as it was trained.
    """
    descending = -np.sort(-x, axis=1)
    sums = np.cumsum(descending, axis=1)
    in_support = descending - (sums - 1.0) / np.arange(1, x.shape[1] + 1) > 0
    threshold = (row_sums(np.where(in_support, sums, 0.0)) - 1.0) / np.count_nonzero(in_support, axis=1, keepdims=True)
    return np.maximum(x - threshold, 0.0)


def _softplus(x: Units) -> Units:
    return np.logaddexp(x, 0.0)


def _gelu(x: Units) -> Units:
    from scipy.special import erf  # takes a while to import, and only gelu needs it

    return 0.5 * x * (1.0 + np.asarray(erf(x / np.sqrt(2.0))))


def _glu(x: Units) -> Units:
    values, gates = np.split(x, 2, axis=1)
    return values * sigmoid(gates)


def _hard_sigmoid(x: Units) -> Units:
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


def _sparse_plus(x: Units) -> Units:
    return np.where(x <= -1, 0.0, np.where(x < 1, 0.25 * (x + 1.0) ** 2, x))


# Not `threshold`: it needs arguments, which a name does not carry.
ACTIVATIONS: dict[str, Activation] = {
    "celu": elu,  # they differ only for an alpha other than 1
    "elu": elu,
    "exponential": np.exp,
    "gelu": _gelu,
    "glu": _glu,
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0.0),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "hard_swish": lambda x: x * _hard_sigmoid(x),
    "hard_tanh": lambda x: np.clip(x, -1.0, 1.0),
    "leaky_relu": leaky_relu,
    "linear": lambda x: x,
    "log_sigmoid": lambda x: -_softplus(-x),
    "log_softmax": _log_softmax,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "relu": relu,
    "relu6": lambda x: relu(x, max_value=6.0),
    "selu": lambda x: _SELU_SCALE * elu(x, _SELU_ALPHA),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "soft_shrink": lambda x: x - np.clip(x, -0.5, 0.5),
    "softmax": softmax,
    "softplus": _softplus,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda x: np.clip(0.5 * (x + 1.0), 0.0, 1.0),
    "sparsemax": _sparsemax,
    "squareplus": lambda x: 0.5 * (x + np.sqrt(x**2 + 4.0)),
    "swish": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
}
"""Every activation that Keras 3.15 takes by its name alone."""
