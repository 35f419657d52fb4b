"""Keras's layers in NumPy, as they work after training.

The formulas are those of Keras's documentation (https://keras.io/api/layers/). A layer becomes one or more steps, each
a function from (rows, units) float64 to (rows, units) float64. A row's result has the same bits alone and among others.
It has the same bits on every x86-64 processor, too: sums are added in a fixed order, and where NumPy's functions differ
between processors (`exp`, `tanh`), they differ in the last bits of a float64, which rounding to float32 removes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.inference import activations
from stages.inference.activations import ACTIVATIONS, Units

Step = Callable[[Units], Units]
Layer = dict[str, Any]
"""A layer's entry in the configuration of a .keras file: its class, its module, its own configuration."""
Weights = Sequence[NDArray[Any]]
"""In the order of `layer.get_weights()`."""

ONLY_IN_TRAINING = ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "InputLayer")
"""Layers that return their input, except in training."""

_LAST_AXIS = (-1, 1, [-1], [1])
_EPSILON = 1e-7
"""`keras.config.epsilon()`."""
_LARGEST_FACTOR = 1e12
"""The largest factor of a row in `UnitNormalization`, so that a row of zeros stays zero."""


class NotInNumPy(Exception):
    """This layer, or this setting of it, needs Keras."""


def steps(layer: Layer, weights: Weights) -> list[Step]:
    """Return the steps of a layer.

    Raises:
        NotInNumPy: the layer needs Keras.
        ValueError: the weights are not those of this layer.
    """
    config = layer["config"]
    if layer["module"] != "keras.layers" or config["dtype"]["config"].get("name") != "float32":
        raise NotInNumPy
    match layer["class_name"]:
        case "Dense":
            kernel, *bias = weights
            return [partial(_multiply, kernel=kernel.astype(np.float64)), *after_product(config, bias)]
        case "Activation":
            return [_activation(config)]
        case "ReLU":
            return [partial(activations.relu, **{key: config[key] for key in activations.RELU_SETTINGS})]
        case "LeakyReLU":
            return [partial(activations.leaky_relu, negative_slope=config["negative_slope"])]
        case "ELU":
            return [partial(activations.elu, alpha=config.get("alpha", 1.0))]
        case "PReLU":
            return [partial(activations.leaky_relu, negative_slope=weights[0].astype(np.float64))]
        case "Softmax" if config["axis"] in _LAST_AXIS:
            return [activations.softmax]
        case "BatchNormalization" if config["axis"] in _LAST_AXIS:
            return [_batch_normalization(config, weights)]
        case "Normalization" if not config["invert"]:
            mean, deviation = mean_and_deviation(config, weights)
            return [lambda x: (x - mean) / deviation]
        case "UnitNormalization" if config["axis"] in _LAST_AXIS:
            return [lambda x: x * inverse_length(activations.row_sums(x**2))]
        case kind if kind in ONLY_IN_TRAINING:
            return []
    raise NotInNumPy


def after_product(config: dict[str, Any], bias: Weights) -> list[Step]:
    """Return the steps of a Dense layer after its product: add the bias, if there is one, and apply the activation."""
    return [*(partial(np.add, values) for values in bias), _activation(config)]


def mean_and_deviation(config: dict[str, Any], weights: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the standard deviation of a `Normalization` layer: (units,) each, or (1,) for all units.

    They are weights if the layer learned them from data with `adapt`, otherwise part of its configuration.
    """
    mean, variance = weights[:2] if config["mean"] is None else (config["mean"], config["variance"])
    deviation = np.maximum(np.sqrt(np.ravel(variance).astype(np.float64)), _EPSILON)
    return np.ravel(mean).astype(np.float64), deviation


def inverse_length(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factors of rows in `UnitNormalization`, given the sums of their squares, in the same shape."""
    with np.errstate(divide="ignore"):
        return np.minimum(1.0 / np.sqrt(np.maximum(squares, 0.0)), _LARGEST_FACTOR)


def _activation(config: dict[str, Any]) -> Step:
    name = config["activation"]
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise NotInNumPy
    return ACTIVATIONS[name]


def _multiply(x: Units, kernel: NDArray[np.float64]) -> Units:
    # Not `@`: BLAS adds in an order that depends on the processor and on the number of rows.
    product: Units = np.einsum("ij,jk->ik", np.ascontiguousarray(x), kernel)
    return product


def _batch_normalization(config: dict[str, Any], weights: Weights) -> Step:
    left = [values.astype(np.float64) for values in weights]
    gamma = left.pop(0) if config["scale"] else np.float64(1)
    beta = left.pop(0) if config["center"] else np.float64(0)
    mean, variance = left[:2]
    factor = gamma / np.sqrt(variance + config["epsilon"])
    return lambda x: (x - mean) * factor + beta
