"""Attributions agree with their definition: Keras predicts the row again without the word."""

import numpy as np
import pytest
from keras import layers

from stages.inference.attribution import leave_one_out
from tests.inference.conftest import ReadBack, rows

NETWORKS = {
    "one layer": [layers.Dense(1, "sigmoid")],
    "three layers": [layers.Dense(16, "relu"), layers.Dense(7, "tanh"), layers.Dense(1, "sigmoid")],
    "BatchNormalization": [layers.Dense(16), layers.BatchNormalization(), layers.ReLU(), layers.Dense(1, "sigmoid")],
    "scaled rows": [
        layers.Normalization(mean=0.0, variance=0.5), layers.UnitNormalization(), layers.Dense(8, "relu"),
        layers.Dense(1, "sigmoid"),
    ],
    "another last activation": [layers.Dense(8, "relu"), layers.Dense(1, "hard_sigmoid")],
}  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_attribution_is_the_difference_of_the_log_odds_without_the_word(read_back: ReadBack, kind: str) -> None:
    model, network = read_back(*NETWORKS[kind])
    matrix = rows(12, seed=1)
    effects = leave_one_out(network, matrix)
    assert effects.shape == (matrix.nnz,)

    def log_odds(dense: np.ndarray) -> np.ndarray:
        probability = model.predict(dense, verbose=0)[:, 0].astype(np.float64)
        with np.errstate(divide="ignore"):
            odds: np.ndarray = np.log(probability) - np.log(1 - probability)
        return odds

    dense = matrix.toarray()
    of_entry = np.repeat(np.arange(12), np.diff(matrix.indptr))
    without = dense[of_entry]
    without[np.arange(matrix.nnz), matrix.indices] = 0
    before, after = log_odds(dense)[of_entry], log_odds(without)
    inside = np.maximum(abs(before), abs(after)) < 5  # beyond 5, float32 probabilities are too coarse
    assert inside.mean() > 0.5
    np.testing.assert_allclose(effects[inside], (before - after)[inside], atol=1e-4)
    assert np.abs(effects).max() > 0.01
