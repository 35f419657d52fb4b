"""Leaving words out, against Keras on rows that lack them."""

import keras
import numpy as np
import scipy.sparse

from stages.evaluate import explain


def test_every_word_left_out_by_hand_gives_the_same() -> None:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1, "sigmoid")]
    network = keras.Sequential([keras.Input((30,)), *layers])
    generator = np.random.default_rng(1)
    dense = np.where(generator.random((200, 30)) < 0.5, generator.random((200, 30)), 0).astype(np.float32)
    matrix = scipy.sparse.csr_matrix(dense)
    assert matrix.nnz > explain._AT_A_TIME
    row = np.repeat(np.arange(200), np.diff(matrix.indptr))
    without = dense[row]
    without[np.arange(matrix.nnz), matrix.indices] = 0
    whole, lacking = (np.asarray(network(rows), np.float64)[:, 0] for rows in (dense, without))
    expected = np.log(whole / (1 - whole))[row] - np.log(lacking / (1 - lacking))
    np.testing.assert_allclose(explain.leave_one_out(network, matrix), expected, atol=1e-5)
