"""The network is the one that Keras builds, and unknown names in params.yaml are reported."""

import re

import keras
import numpy as np
import pytest

from stages.console import UserError
from stages.params import Params, Train
from stages.train import network, sparse

COLUMNS = 60


@pytest.fixture(name="settings")
def train_settings(settings: Params) -> Train:
    return settings.train


def test_the_layers_are_keras_layers(settings: Train) -> None:
    model = network.build(COLUMNS, settings)
    assert [type(layer) for layer in model.layers] == [keras.layers.Dense] * 3
    assert [(layer.units, layer.activation.__name__) for layer in model.layers] == [
        (16, "relu"),
        (16, "relu"),
        (1, "sigmoid"),
    ]
    assert type(model.optimizer) is keras.optimizers.RMSprop
    assert model.loss is keras.losses.binary_crossentropy
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)


def test_the_seed_determines_the_weights(settings: Train) -> None:
    first, again, other = (
        network.build(COLUMNS, settings.model_copy(update={"seed": seed})).get_weights()[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        ("optimizer", "adma", "train.optimizer is 'adma'; expected a name in keras.optimizers, such as .*adam"),
        ("activation", "rleu", "train.activation is 'rleu'; expected a name in keras.activations, such as relu"),
        ("loss", "binary_crosentropy", "such as binary_crossentropy"),
        ("loss", "ctc", "train.loss is 'ctc'; expected one that compares a probability with 0 or 1"),
        ("loss", "dice", "train.loss is 'dice'; expected one that compares a probability with 0 or 1"),
        ("loss", "categorical_crossentropy", "train.loss is 'categorical_crossentropy'; expected one that compares"),
        ("activation", "glu", "train.activation is 'glu'; expected one that works on each unit by itself"),
        ("optimizer", "LossScaleOptimizer", "train.optimizer is 'LossScaleOptimizer'"),
        ("optimizer", "get", "train.optimizer is 'get'"),
    ],
)
def test_an_unsuitable_name_is_an_error_that_suggests_others(
    settings: Train, key: str, name: str, message: str
) -> None:
    with pytest.raises(UserError, match=f"^params.yaml: {message}" if message.startswith("train") else message):
        network.build(COLUMNS, settings.model_copy(update={key: name}))


@pytest.mark.parametrize("name", ["adam", "SGD", "Nadam", "lion", "adamw", "ftrl", "muon"])
def test_any_optimizer_of_keras_is_accepted(settings: Train, name: str) -> None:
    model = network.build(COLUMNS, settings.model_copy(update={"optimizer": name, "learning_rate": 0.5}))
    assert re.fullmatch(name, type(model.optimizer).__name__, re.IGNORECASE)
    assert float(model.optimizer.learning_rate) == 0.5


@pytest.mark.parametrize("layers", [[keras.layers.Dropout(0.5), keras.layers.Dense(1)], [keras.layers.Dropout(0.5)]])
def test_a_layer_before_the_first_dense_layer_is_an_error_that_names_it(layers: list[keras.Layer]) -> None:
    with pytest.raises(UserError, match=r"^stages/train/network.py: the layer dropout\S* comes before the first Dense"):
        sparse.split_layers(keras.Sequential([keras.Input((COLUMNS,)), *layers]))


@pytest.mark.parametrize("adapted", [True, False])
def test_a_normalization_layer_with_a_mean_is_an_error_before_the_first_dense_layer(*, adapted: bool) -> None:
    layer = keras.layers.Normalization() if adapted else keras.layers.Normalization(mean=0.5, variance=2.0)
    if adapted:
        layer.adapt(np.eye(COLUMNS, dtype=np.float32))
    made = keras.Sequential([keras.Input((COLUMNS,)), layer, keras.layers.Dense(1)])
    with pytest.raises(UserError, match=r"^stages/train/network.py: the layer normalization\S* .* its mean is not 0"):
        network.require_sparse(made)
