"""The network, from multi-hot rows to the probability that a review is positive."""

import warnings
from difflib import get_close_matches
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stages.console import UserError
from stages.params import PARAMS, Train
from stages.train import sparse


def build(columns: int, settings: Train) -> keras.Sequential:
    """Build and compile the network, with new weights.

    You can add any Keras layers but `Lambda` after the first Dense layer, whose kernel `stages.train.sparse` multiplies
    with sparse rows. `keras.models.load_model` reads the saved network without this project.

    Args:
        columns: number of columns of the features.
        settings: the section `train` of params.yaml. Its seed decides the weights.

    Raises:
        UserError: an activation, optimizer or loss is unknown to Keras, or does not fit this network; or a layer was
            added before the first Dense layer.
    """
    activation = _named(keras.activations, "activation", settings.activation)
    optimizer = _named(keras.optimizers, "optimizer", settings.optimizer)
    loss = _named(keras.losses, "loss", settings.loss)
    optimizer.learning_rate = settings.learning_rate
    keras.utils.set_random_seed(settings.seed)
    l2 = keras.regularizers.L2(settings.l2) if settings.l2 else None
    network = keras.Sequential([keras.Input((columns,), name="columns")], name="sentiment")
    if settings.weighting:
        # `stages.train.weighting` sets the first of these layers to the log-count ratios.
        network.add(keras.layers.Normalization(name="log_ratio"))
        network.add(keras.layers.UnitNormalization(name="unit_length"))
    for number, units in enumerate(settings.hidden_units, start=1):
        network.add(keras.layers.Dense(units, activation, kernel_regularizer=l2, name=f"hidden_{number}"))
        if settings.dropout:
            network.add(keras.layers.Dropout(settings.dropout, name=f"dropout_{number}"))
    network.add(keras.layers.Dense(1, "sigmoid", kernel_regularizer=l2, name="probability"))
    network.compile(optimizer, loss, metrics=["binary_accuracy"])
    require_sparse(network)
    _try_out(network, settings)
    return network


def require_sparse(network: keras.Sequential) -> None:
    """Raise an error if a layer before the first Dense layer does not keep rows sparse."""
    front, _, _ = sparse.split_layers(network)
    for layer in front:
        if layer is not None and (layer.input_mean is not None or np.any(layer.adapt_mean.numpy())):
            raise UserError(
                f"stages/train/network.py: the layer {layer.name} comes before the first Dense layer, but its mean is "
                "not 0, which would make sparse rows dense: add it after that layer, or set train.weighting"
            )


def _try_out(network: keras.Sequential, settings: Train) -> None:
    """Raise a UserError if the activation does not work on each unit alone, or the loss not on one probability."""
    try:
        network(tf.zeros((2, network.input_shape[1])))
    except Exception:  # Keras and TensorFlow raise many kinds of errors here
        raise UserError(
            f"{PARAMS}: train.activation is {settings.activation!r}; expected one that works on each unit by itself"
        ) from None
    labels, probabilities = np.array([[0, 1, 0, 1], [0.2, 0.8, 0.8, 0.2]], np.float32)
    try:
        with warnings.catch_warnings(action="ignore"):  # from losses that are rejected below
            function = keras.losses.get(network.loss)
            each = function.call if isinstance(function, keras.losses.Loss) else function
            right, wrong = np.reshape(each(labels[:, None], probabilities[:, None]), (2, 2))
        fits = right.sum() < wrong.sum()
    except Exception:
        fits = False
    if not fits:
        raise UserError(
            f"{PARAMS}: train.loss is {settings.loss!r}; expected one that compares a probability with 0 or 1, "
            "such as binary_crossentropy"
        )


def _named(module: ModuleType, key: str, name: str) -> Any:
    """Return the object with this name in a module of Keras, such as `keras.optimizers`."""
    if _known(module, name):
        return module.get(name)
    names = sorted({known.lower() for known in dir(module) if _known(module, known)})
    near = get_close_matches(name.lower(), names, n=3, cutoff=0)
    raise UserError(
        f"{PARAMS}: train.{key} is {name!r}; expected a name in {module.__name__}, such as {', '.join(near)}"
    )


def _known(module: ModuleType, name: str) -> bool:
    try:
        return module.get(name) is not None
    except (ValueError, TypeError, KeyError):
        return False
