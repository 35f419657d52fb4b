"""Keras's losses for one probability per row, in NumPy.

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


def _between(probabilities: Values, low: float, high: float) -> Values:
    """Clip as Keras does, in float32: there the number below 1 is 1 - 1.2e-7, which the logarithm shows."""
    return np.clip(probabilities.astype(np.float32), np.float32(low), np.float32(high)).astype(np.float64)


def _binary_crossentropy(labels: Values, probabilities: Values) -> Values:
    inside = _between(probabilities, _EPSILON, 1 - _EPSILON)
    return -(labels * np.log(inside) + (1 - labels) * np.log(1 - inside))


def _binary_focal_crossentropy(labels: Values, probabilities: Values) -> Values:
    of_the_other_class = np.abs(labels - probabilities)
    return of_the_other_class**2 * _binary_crossentropy(labels, probabilities)


def _hinge(labels: Values, probabilities: Values) -> Values:
    return np.maximum(1 - (2 * labels - 1) * probabilities, 0)


def _huber(labels: Values, probabilities: Values) -> Values:
    error = np.abs(labels - probabilities)
    return np.where(error <= 1, 0.5 * error**2, error - 0.5)


def _kl_divergence(labels: Values, probabilities: Values) -> Values:
    label, probability = _between(labels, _EPSILON, 1), _between(probabilities, _EPSILON, 1)
    loss: Values = label * (np.log(label) - np.log(probability))
    return loss


def _log_cosh(labels: Values, probabilities: Values) -> Values:
    error = np.abs(labels - probabilities)
    loss: Values = error + np.log1p(np.exp(-2 * error)) - np.log(2)
    return loss


def _mean_absolute_percentage_error(labels: Values, probabilities: Values) -> Values:
    return 100 * np.abs(labels - probabilities) / np.maximum(labels, _EPSILON)


def _mean_squared_logarithmic_error(labels: Values, probabilities: Values) -> Values:
    logarithms = [np.log(np.maximum(values, _EPSILON) + 1) for values in (labels, probabilities)]
    loss: Values = (logarithms[0] - logarithms[1]) ** 2
    return loss


LOSSES: dict[str, Callable[[Values, Values], Values]] = {
    "binary_crossentropy": _binary_crossentropy,
    "binary_focal_crossentropy": _binary_focal_crossentropy,
    "categorical_hinge": lambda labels, probabilities: np.maximum((1 - 2 * labels) * probabilities + 1, 0),
    "hinge": _hinge,
    "huber": _huber,
    "kl_divergence": _kl_divergence,
    "log_cosh": _log_cosh,
    "mean_absolute_error": lambda labels, probabilities: np.abs(labels - probabilities),
    "mean_absolute_percentage_error": _mean_absolute_percentage_error,
    "mean_squared_error": lambda labels, probabilities: (labels - probabilities) ** 2,
    "mean_squared_logarithmic_error": _mean_squared_logarithmic_error,
    "poisson": lambda labels, probabilities: probabilities - labels * np.log(probabilities + _EPSILON),
    "squared_hinge": lambda labels, probabilities: _hinge(labels, probabilities) ** 2,
}
"""Every loss of Keras 3.15 that compares one probability with 0 or 1, by its name."""


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
