"""Keras networks, written to a file and read without Keras."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from stages.contracts.features import Columns
from stages.contracts.model import write_model
from stages.inference import network
from stages.inference.network import Network

COLUMNS = 40

ReadBack = Callable[..., tuple[keras.Sequential, Network]]


def rows(count: int, seed: int = 0) -> scipy.sparse.csr_matrix:
    """(count, COLUMNS) rows with values from 0 to 1. The second row is empty."""
    matrix = scipy.sparse.random(count, COLUMNS, 0.3, "csr", np.float32, rng=np.random.default_rng(seed))
    matrix.sort_indices()
    matrix.data[matrix.indptr[1] : matrix.indptr[2]] = 0
    matrix.eliminate_zeros()
    return matrix


def by_keras(model: keras.Sequential, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float32]:
    """Return what Keras predicts for the dense rows, (rows,)."""
    probabilities: NDArray[np.float32] = model.predict(matrix.toarray(), verbose=0)[:, 0]
    return probabilities


@pytest.fixture
def read_back(folder: object) -> ReadBack:
    """A function that makes a Keras network of layers with random weights, and reads it from its file."""

    def build(*layers: keras.Layer) -> tuple[keras.Sequential, Network]:
        model = keras.Sequential([keras.Input((COLUMNS,)), *layers])
        model.compile("sgd", "binary_crossentropy")
        generator = np.random.default_rng(7)
        for layer in model.layers:
            if not isinstance(layer, keras.layers.Normalization):
                # Above 0, because some of them are variances.
                draw = generator.normal if isinstance(layer, keras.layers.Dense) else generator.uniform
                low, high = (0, 0.7) if isinstance(layer, keras.layers.Dense) else (0.2, 2)
                layer.set_weights([draw(low, high, weights.shape) for weights in layer.get_weights()])
        columns = Columns([f"word{column}" for column in range(COLUMNS)], "keras")
        write_model(model, columns)
        return model, network.read(columns)

    return build
