"""The losses against Keras's own."""

from typing import Any

import keras
import numpy as np
import pytest

from stages.inference.losses import LOSSES, per_row

LABELS = np.tile(np.array([0, 1], np.float32), 150)
PROBABILITIES = np.random.default_rng(0).random(300).astype(np.float32)
PROBABILITIES[:8] = [0, 0, 1, 1, 0.5, 0.5, 1e-8, 1e-8]


def by_keras(loss: object) -> np.ndarray:
    function = keras.losses.get(loss)
    each = function.call if isinstance(function, keras.losses.Loss) else function
    values: np.ndarray = np.asarray(each(LABELS[:, None], PROBABILITIES[:, None]), np.float64)
    return values


@pytest.mark.parametrize("name", LOSSES)
def test_losses_agree_with_keras(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for loss in (name, keras.losses.serialize(keras.losses.get(name))):
        np.testing.assert_allclose(per_row(loss, LABELS, PROBABILITIES), by_keras(name), rtol=1e-6, atol=1e-6)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "loss",
    [keras.losses.BinaryCrossentropy(label_smoothing=0.1), keras.losses.Tversky(), keras.losses.log_cosh],
)
def test_other_losses_are_computed_by_keras_with_a_warning(loss: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = keras.losses.serialize(loss)
    np.testing.assert_allclose(per_row(config, LABELS, PROBABILITIES), by_keras(loss), rtol=1e-6)
    assert config["class_name"] in capsys.readouterr().err
