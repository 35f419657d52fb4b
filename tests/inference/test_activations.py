"""The activations agree with Keras."""

import keras
import numpy as np
import pytest

from stages.inference.activations import ACTIVATIONS

NAMES = sorted(name for name in dir(keras.activations) if name.islower() and name[0] != "_")
NOT_BY_NAME = {"get", "serialize", "deserialize", "threshold"}


def test_every_activation_of_keras_is_there() -> None:
    assert set(NAMES) - NOT_BY_NAME <= set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_agree_with_keras(name: str) -> None:
    units = np.random.default_rng(0).normal(0, 4, (200, 6))
    units[:3] = [[0, -0.5, 0.5, 1, -1, 3], [-3, 6, 7, -7, 0.1, -0.1], [80.0, -80, 0, 0, 30, -30]]
    expected = np.asarray(keras.activations.get(name)(keras.ops.convert_to_tensor(units, "float64")))
    np.testing.assert_allclose(ACTIVATIONS[name](units), expected, rtol=1e-6, atol=1e-6)
