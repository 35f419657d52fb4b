"""Keras's layers in NumPy, as they are after training.

The formulas are those of Keras's documentation (https://keras.io/api/layers/). A layer becomes one or more steps, each a
function from (rows, units) float64 to (rows, units) float64. A row's result has the same bits alone and among others,
and on every processor of one kind, such as x86-64: products are sums in a fixed order, and what NumPy computes
differently from processor to processor, such as `exp`, differs only in the last bit of a float64, which is gone when the
probability is rounded to float32.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.inference import activations
from stages.inference.activations import ACTIVATIONS, Units

Step = Callable[[Units], Units]
LayerConfig = dict[str, Any]
"""A layer's entry in the configuration of a .keras file: its class, its module, its own configuration."""
Weights = Sequence[NDArray[Any]]
"""In the order of `layer.get_weights()`."""

ONLY_IN_TRAINING = ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "InputLayer")
"""Layers that give what they take, outside training."""

_EPSILON = 1e-7
"""`keras.config.epsilon()`."""
_LARGEST_INVERSE = 1e12
"""What `UnitNormalization` multiplies a row by at most, so that a row of zeros stays one."""


class NotInNumPy(Exception):
    """This layer, or this setting of it, is left to Keras."""


def steps(layer: LayerConfig, weights: Weights) -> list[Step]:
    """What a layer does, step by step.

    Raises:
        NotInNumPy: the layer needs Keras.
        ValueError: the weights are not those of this layer.
    """
    build, config = _LAYERS.get(layer["class_name"]), layer["config"]
    if build is None or layer["module"] != "keras.layers" or config["dtype"]["config"].get("name") != "float32":
        raise NotInNumPy
    return build(config, weights)


def mean_and_deviation(config: dict[str, Any], weights: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What `Normalization` subtracts, then divides by: both (units,), or (1,) for all units.

    They are weights when the layer learned them from data with `adapt`, else part of its configuration.
    """
    if config["invert"]:
        raise NotInNumPy
    mean, variance = weights[:2] if config["mean"] is None else (config["mean"], config["variance"])
    deviation = np.maximum(np.sqrt(np.ravel(variance).astype(np.float64)), _EPSILON)
    return np.ravel(mean).astype(np.float64), deviation


def inverse_length(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """What `UnitNormalization` multiplies rows by, given the sums of their squares: any shape."""
    with np.errstate(divide="ignore"):
        return np.minimum(1.0 / np.sqrt(np.maximum(squares, 0.0)), _LARGEST_INVERSE)


def _activation(config: dict[str, Any]) -> Step:
    name = config["activation"]
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise NotInNumPy
    return ACTIVATIONS[name]


def _add(x: Units, bias: NDArray[Any]) -> Units:
    return x + bias


def _multiply(x: Units, kernel: NDArray[np.float64]) -> Units:
    # Not `@`: BLAS sums in an order that depends on the processor and on the number of rows.
    product: Units = np.einsum("ij,jk->ik", np.ascontiguousarray(x), kernel)
    return product


def dense(weights: Weights, activation: Step) -> list[Step]:
    """The steps of a Dense layer: its product, its bias if it has one, its activation."""
    kernel, *bias = weights
    product = partial(_multiply, kernel=kernel.astype(np.float64))
    return [product, *(partial(_add, bias=values) for values in bias), activation]


def _batch_normalization(config: dict[str, Any], weights: Weights) -> list[Step]:
    if config["axis"] not in (-1, 1):
        raise NotInNumPy
    left = [values.astype(np.float64) for values in weights]
    gamma = left.pop(0) if config["scale"] else np.float64(1)
    beta = left.pop(0) if config["center"] else np.float64(0)
    mean, variance = left[:2]
    factor = gamma / np.sqrt(variance + config["epsilon"])
    return [lambda x: (x - mean) * factor + beta]


def _normalization(config: dict[str, Any], weights: Weights) -> list[Step]:
    mean, deviation = mean_and_deviation(config, weights)
    return [lambda x: (x - mean) / deviation]


def _unit_normalization(config: dict[str, Any], weights: Weights) -> list[Step]:
    if config["axis"] not in (-1, 1, [-1], [1]):
        raise NotInNumPy
    return [lambda x: x * inverse_length(activations.row_sums(x**2))]


def _relu(config: dict[str, Any], weights: Weights) -> list[Step]:
    settings = {name: config[name] for name in ("negative_slope", "max_value", "threshold")}
    return [partial(activations.relu, **settings)]


def _prelu(config: dict[str, Any], weights: Weights) -> list[Step]:
    (slope,) = weights
    return [lambda x: np.where(x > 0, x, slope * x)]


def _softmax(config: dict[str, Any], weights: Weights) -> list[Step]:
    if config["axis"] not in (-1, 1):
        raise NotInNumPy
    return [activations.softmax]


_LAYERS: dict[str, Callable[[dict[str, Any], Weights], list[Step]]] = {
    "Activation": lambda config, weights: [_activation(config)],
    "BatchNormalization": _batch_normalization,
    "Dense": lambda config, weights: dense(weights, _activation(config)),
    "ELU": lambda config, weights: [partial(activations.elu, alpha=config.get("alpha", 1.0))],
    "LeakyReLU": lambda config, weights: [partial(activations.leaky_relu, negative_slope=config["negative_slope"])],
    "Normalization": _normalization,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Softmax": _softmax,
    "UnitNormalization": _unit_normalization,
    **dict.fromkeys(ONLY_IN_TRAINING, lambda config, weights: []),
}
