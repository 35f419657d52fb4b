"""Networks agree with Keras on dense rows."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stages.console import UserError
from tests.inference.conftest import COLUMNS, ReadBack, by_keras, rows

NETWORKS = {
    "Dense": [layers.Dense(16), layers.Dense(7, "relu"), layers.Dense(300, "tanh", use_bias=False)],
    "Dropout": [layers.Dense(16), layers.Dropout(0.5), layers.GaussianNoise(1.0)],
    "BatchNormalization": [layers.Dense(16), layers.BatchNormalization()],
    "BatchNormalization without scale": [layers.Dense(16), layers.BatchNormalization(scale=False, epsilon=0.1)],
    "BatchNormalization without center": [layers.Dense(16), layers.BatchNormalization(center=False)],
    "Normalization": [layers.Dense(16), layers.Normalization(mean=0.5, variance=2.0)],
    "UnitNormalization": [layers.Dense(16), layers.UnitNormalization()],
    "activations": [
        layers.Dense(16), layers.Activation("gelu"), layers.ReLU(3.0, 0.1, 0.2), layers.ELU(), layers.Softmax(),
    ],
    "leaky activations": [layers.Dense(16), layers.LeakyReLU(), layers.PReLU()],
    "only the last layer": [],
    "Normalization in front": [
        layers.Normalization(mean=np.zeros(COLUMNS), variance=np.linspace(0.1, 3, COLUMNS)), layers.Dense(16, "relu"),
    ],
    "UnitNormalization in front": [layers.Dropout(0.5), layers.UnitNormalization(), layers.Dense(16, "relu")],
    "both in front": [
        layers.Normalization(mean=0.0, variance=0.5), layers.UnitNormalization(), layers.Dense(16, "relu"),
    ],
}  # fmt: skip


def check(read_back: ReadBack, *some: keras.Layer) -> None:
    """Check that probabilities agree with Keras, and that each row has the same bits alone and among others.

    The log-odds are compared as well, because rounding a probability to float32 hides small differences.
    """
    model, network = read_back(*some, layers.Dense(1, "sigmoid"))
    matrix = rows(500)
    found = network.predict(matrix)
    np.testing.assert_allclose(found, by_keras(model, matrix), atol=1e-6)
    assert found.std() > 0.01
    sums = (matrix @ network.kernel).astype(np.float64)
    for count in (1, 2, 17):
        some_rows = [slice(start, start + count) for start in range(0, 500, count)]
        np.testing.assert_array_equal(np.concatenate([network.predict(matrix[each]) for each in some_rows]), found)
        log_odds = np.concatenate([network.log_odds(sums[each]) for each in some_rows])
        np.testing.assert_array_equal(log_odds, network.log_odds(sums))


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_agree_with_keras(read_back: ReadBack, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    check(read_back, *NETWORKS[kind])
    assert capsys.readouterr().err == ""


def test_an_adapted_normalization_agrees_with_keras(read_back: ReadBack) -> None:
    learned = layers.Normalization()
    learned.adapt(np.random.default_rng(3).normal(1, 2, (50, 16)))
    check(read_back, layers.Dense(16), learned)


@pytest.mark.parametrize(
    "some",
    [[layers.LayerNormalization(), layers.Dense(4, "relu")], [layers.Reshape((4, 4)), layers.LSTM(3)]],
    ids=["LayerNormalization", "LSTM"],
)
def test_other_layers_are_computed_by_keras_with_a_warning(
    read_back: ReadBack, some: list[keras.Layer], capsys: pytest.CaptureFixture[str]
) -> None:
    model, network = read_back(layers.Dense(16, "relu"), *some, layers.Dense(1, "sigmoid"))
    np.testing.assert_allclose(network.predict(rows(50)), by_keras(model, rows(50)), atol=1e-6)
    said = capsys.readouterr().err
    assert all(type(layer).__name__ in said for layer in some if not isinstance(layer, layers.Dense))


@pytest.mark.parametrize(
    "some",
    [
        [layers.BatchNormalization(), layers.Dense(1, "sigmoid")],
        [layers.Normalization(mean=1.0, variance=1.0), layers.Dense(1, "sigmoid")],
        [layers.UnitNormalization()],
    ],
)
def test_a_network_that_needs_dense_rows_is_an_error(
    read_back: ReadBack, folder: Path, some: list[keras.Layer]
) -> None:
    with pytest.raises(UserError, match=r"^models/model.keras: .*expected"):
        read_back(*some)
