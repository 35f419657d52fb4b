"""Reasons against their definition: the network asked again without the word."""

import keras
import numpy as np
import pytest
import scipy.sparse

from stages.evaluate import explain


@pytest.mark.parametrize("hidden", [[], [5], [16, 7]])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("at_a_time", [7, 2048])
def test_a_reason_is_the_fall_of_the_log_odds_without_the_word(
    monkeypatch: pytest.MonkeyPatch, hidden: list[int], activation: str, at_a_time: int
) -> None:
    monkeypatch.setattr(explain, "_AT_A_TIME", at_a_time)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(units, activation) for units in hidden]
    network = keras.Sequential([keras.Input((40,)), *layers, keras.layers.Dense(1, "sigmoid")])
    matrix = scipy.sparse.random(12, 40, 0.2, "csr", dtype=np.float32, rng=np.random.default_rng(1))
    matrix.data[:] = 1
    effects = explain.leave_one_out(network, matrix)
    assert effects.shape == (matrix.nnz,)

    def log_odds(dense: np.ndarray) -> np.ndarray:
        probability = network.predict(dense, verbose=0)[:, 0].astype(np.float64)
        odds: np.ndarray = np.log(probability / (1 - probability))
        return odds

    dense = matrix.toarray()
    rows = np.repeat(np.arange(12), np.diff(matrix.indptr))
    without = dense[rows]
    without[np.arange(matrix.nnz), matrix.indices] = 0
    np.testing.assert_allclose(effects, log_odds(dense)[rows] - log_odds(without), atol=1e-4)
    assert np.abs(effects).max() > 0.01
