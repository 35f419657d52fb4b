"""Losses for one probability per row, in NumPy.

The formulas are those of Keras's documentation (https://keras.io/api/losses/). Each function takes (rows,) float64:
labels, which are 0 or 1, and probabilities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.inference import with_keras

Values = NDArray[np.float64]
_EPSILON = 1e-7
"""`keras.config.epsilon()`."""


def _binary_crossentropy(labels: Values, probabilities: Values) -> Values:
    # Keras clips in float32: there the number below 1 is 1 - 1.2e-7, which the logarithm shows.
    clipped = np.clip(probabilities.astype(np.float32), np.float32(_EPSILON), np.float32(1 - _EPSILON))
    inside: Values = clipped.astype(np.float64)
    return -(labels * np.log(inside) + (1 - labels) * np.log(1 - inside))


def _hinge(labels: Values, probabilities: Values) -> Values:
    return np.maximum(1 - (2 * labels - 1) * probabilities, 0)


LOSSES: dict[str, Callable[[Values, Values], Values]] = {
    "binary_crossentropy": _binary_crossentropy,
    "hinge": _hinge,
    "mean_absolute_error": lambda labels, probabilities: np.abs(labels - probabilities),
    "mean_squared_error": lambda labels, probabilities: (labels - probabilities) ** 2,
    "squared_hinge": lambda labels, probabilities: _hinge(labels, probabilities) ** 2,
}
"""The common losses, by their names in Keras."""


def per_row(loss: Any, labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the loss of each row, (rows,).

    Args:
        loss: a loss as the configuration of a .keras file has it. Keras computes those that are not in `LOSSES`.
        labels: (rows,) 0 or 1.
        probabilities: (rows,) that each row is positive.
    """
    name = loss.get("config") if isinstance(loss, dict) else loss
    if isinstance(name, str) and name in LOSSES:
        return LOSSES[name](labels.astype(np.float64), probabilities.astype(np.float64))
    keras = with_keras.load(f"the loss {loss if isinstance(loss, str) else loss['class_name']}")
    function = keras.losses.get(loss)
    if isinstance(function, keras.losses.Loss):
        function = function.call
    return np.asarray(function(labels[:, None], probabilities[:, None]), np.float64)
