"""The network: multi-hot in, the probability of a positive review out."""

from collections.abc import Callable
from difflib import get_close_matches
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf

from stages.console import UserError
from stages.params import PARAMS, Train


def build(columns: int, settings: Train) -> keras.Sequential:
    """A compiled network of Dense layers with fresh weights.

    Only standard layers, so that Keras alone can load it; they train on sparse rows through `apply`.

    Args:
        columns: width of the features.
        settings: the section `train` of params.yaml; its seed decides the weights.

    Raises:
        UserError: Keras knows no activation, optimizer or loss of that name.
    """
    optimizer = _named(keras.optimizers, settings.optimizer, "train.optimizer")
    optimizer.learning_rate = settings.learning_rate
    activation = _named(keras.activations, settings.activation, "train.activation")
    _named(keras.losses, settings.loss, "train.loss")
    keras.utils.set_random_seed(settings.seed)
    hidden = [
        keras.layers.Dense(units, activation, name=f"hidden_{number}")
        for number, units in enumerate(settings.hidden_units, start=1)
    ]
    output = keras.layers.Dense(1, "sigmoid", name="probability")
    network = keras.Sequential([keras.Input((columns,), name="columns"), *hidden, output], name="sentiment")
    network.compile(optimizer, settings.loss, metrics=["binary_accuracy"])
    return network


def apply(network: keras.Sequential, rows: tf.SparseTensor) -> tf.Tensor:
    """What `network(rows)` means, with the first product done on sparse rows.

    Keras's own Dense makes a detour through embeddings for a SparseTensor, at twice the cost.

    Args:
        network: as `build` makes it.
        rows: (batch, columns) float32.

    Returns:
        (batch, 1) float32 probabilities.
    """
    first, *rest = network.layers
    outputs = first.activation(tf.sparse.sparse_dense_matmul(rows, first.kernel) + first.bias)
    for layer in rest:
        outputs = layer(outputs)
    return outputs


def _named(module: ModuleType, name: str, key: str) -> Any:
    """What Keras calls `name` in one of its modules."""
    get: Callable[[str], Any] = module.get
    try:
        return get(name)
    except (ValueError, TypeError):
        near = get_close_matches(name.lower(), [known.lower() for known in dir(module) if known[0] != "_"], n=3)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise UserError(f"{PARAMS}: {key} is {name!r}, which {module.__name__} does not know{hint}") from None
