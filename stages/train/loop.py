"""The training loop: what `model.compile` and `model.fit` mean, on sparse rows."""

from collections.abc import Sequence

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf
from numpy.typing import NDArray

from stages.artifacts import Epoch, Features
from stages.console import UserError, say
from stages.params import PARAMS, Train
from stages.train import network as net

PREDICT_ROWS = 4096
"""Rows per batch where nothing is learnt from them: it does not change the result."""


def split(features: Features, rows: int) -> tuple[Features, Features]:
    """Cut off the first `rows` rows: (hold-out, rest)."""
    if rows >= len(features):
        raise UserError(
            f"{PARAMS}: train.holdout_rows is {rows}; expected fewer than the {len(features)} training rows"
        )
    return features[:rows], features[rows:]


def best(history: Sequence[Epoch]) -> Epoch:
    """The epoch with the lowest validation loss, the first of several."""
    return min(history, key=lambda record: record.val_loss)


class Trainer:
    """Trains one network, again from its fresh state after each `reset`, so that it is traced only once."""

    def __init__(self, network: keras.Sequential, settings: Train) -> None:
        network.optimizer.build(network.trainable_variables)
        self.network = network
        self._settings = settings
        self._state = [*network.variables, *network.optimizer.variables]
        self._fresh = [variable.numpy() for variable in self._state]
        self._generator = np.random.default_rng(settings.seed)

    def reset(self) -> None:
        """Put network and optimizer back to how they were given."""
        for variable, value in zip(self._state, self._fresh, strict=True):
            variable.assign(value)
        self._generator = np.random.default_rng(self._settings.seed)

    def fit(self, features: Features, epochs: int, holdout: Features | None = None) -> list[Epoch]:
        history = []
        for epoch in range(1, epochs + 1):
            order = self._generator.permutation(len(features))
            matrix, labels = features.matrix[order], features.labels[order]
            size = self._settings.batch_size
            loss = accuracy = 0.0
            for a in range(0, len(labels), size):
                l, c = self._step(sparse(matrix[a : a + size]), tf.constant(labels[a : a + size, None]))
                n = len(labels[a : a + size])
                loss, accuracy = loss + float(l) * n, accuracy + float(c)
            record = Epoch(epoch, loss / len(labels), accuracy / len(labels), np.nan, np.nan)
            if holdout:
                p = predict(self.network, holdout.matrix)
                val = float(self.network.compute_loss(y=holdout.labels[:, None], y_pred=p[:, None]))
                record = Epoch(epoch, record.loss, record.binary_accuracy, val, np.mean((p > 0.5) == holdout.labels))
            say(f"epoch {epoch:2d}/{epochs}  loss {record.loss:.4f}  {record}")
            history.append(record)
        return history

    @tf.function(reduce_retracing=True)
    def _step(self, rows, labels):
        with tf.GradientTape() as tape:
            outputs = net.apply(self.network, rows)
            loss = self.network.compute_loss(y=labels, y_pred=outputs)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        self.network.optimizer.apply(gradients, self.network.trainable_variables)
        return loss, tf.reduce_sum(tf.cast((outputs > 0.5) == (labels > 0.5), tf.float32))


def sparse(matrix: scipy.sparse.csr_matrix) -> tf.SparseTensor:
    coo = matrix.tocoo()
    return tf.SparseTensor(np.stack([coo.row, coo.col], axis=1).astype(np.int64), coo.data, coo.shape)


def predict(network: keras.Sequential, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float32]:
    """Probabilities, (rows,) float32, for a (rows, columns) CSR matrix."""
    blocks = [
        net.apply(network, sparse(matrix[start : start + PREDICT_ROWS])).numpy()
        for start in range(0, matrix.shape[0], PREDICT_ROWS)
    ]
    return np.concatenate(blocks)[:, 0]
