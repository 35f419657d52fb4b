"""The training loop: what `model.fit` does, on sparse rows and without Python between steps."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf

from stages.artifacts import Epoch, Features
from stages.console import UserError, say
from stages.params import PARAMS, Train
from stages.train import sparse
from stages.train.sparse import Blocks


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


def evaluate(network: keras.Sequential, features: Features, batch_size: int = 512) -> dict[str, float]:
    """What Keras's `evaluate` returns: loss and binary_accuracy over all rows."""
    network.reset_metrics()
    _each_batch(test_step, network, sparse.blocks(features, batch_size), batch_size)
    return _logs(network)


def test_step(network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """The loss of one batch, (), which also counts towards the network's metrics."""
    rows = tf.shape(label)[0]
    outputs = sparse.apply(network, index, value, rows)
    loss = network.compute_loss(y=label, y_pred=outputs)
    mean, *metrics = network.metrics
    mean.update_state(loss, sample_weight=rows)
    for metric in metrics:
        metric.update_state(label, outputs)
    return loss


def train_step(network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, label: tf.Tensor) -> None:
    """One step of the optimizer on one batch."""
    variables = network.trainable_variables
    with tf.GradientTape() as tape:
        loss = test_step(network, index, value, label)
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    network.optimizer.apply(gradients, variables)


def _each_batch(step: Callable[..., object], network: keras.Sequential, rows: Blocks, batch_size: int) -> None:
    """Take a step for every batch; inside a tf.function this becomes a loop in the graph."""
    for batch in tf.range(tf.shape(rows.index)[0]):
        label = rows.label[batch * batch_size : (batch + 1) * batch_size]
        step(network, rows.index[batch], rows.value[batch], label)


def _logs(network: keras.Sequential) -> dict[str, float]:
    return {name: float(value) for name, value in network.get_metrics_result().items()}


class Trainer:
    """Trains a compiled network of Dense layers, and again from its fresh weights after `reset`.

    One network serves the hold-out run and the final fit, so that TensorFlow traces the loop only once.
    """

    def __init__(self, network: keras.Sequential, settings: Train) -> None:
        network.optimizer.build(network.trainable_variables)
        self.network = network
        self._settings = settings
        self._state = [*network.variables, *network.optimizer.variables]
        self._fresh = [variable.numpy() for variable in self._state]
        self._train = self._in_graph(train_step)
        self._test = self._in_graph(test_step)

    def reset(self) -> None:
        """Put the network and its optimizer back to how they were given."""
        for variable, value in zip(self._state, self._fresh, strict=True):
            variable.assign(value)

    def fit(self, features: Features, epochs: int, holdout: Features | None = None) -> list[dict[str, float]]:
        """Train for some epochs, on the rows in a new order each time, and print a line for each.

        Args:
            features: the rows to train on.
            epochs: how often to go through them.
            holdout: rows to validate on after every epoch.

        Returns:
            For each epoch what Keras's `fit` logs: loss, binary_accuracy and, with a hold-out, val_loss and
            val_binary_accuracy. The first two are means over the epoch's batches as they were trained on.
        """
        history = []
        validation = sparse.blocks(holdout, self._settings.batch_size) if holdout else None
        for number, shuffled in enumerate(self._shuffled(features, epochs), start=1):
            logs = self._run(self._train, shuffled)
            if validation:
                logs |= {f"val_{name}": value for name, value in self._run(self._test, validation).items()}
            values = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
            say(f"epoch {number:{len(str(epochs))}}/{epochs}  {values}")
            history.append(logs)
        return history

    def _shuffled(self, features: Features, epochs: int) -> Iterator[Blocks]:
        """The rows in a new order for each epoch, laid out in another thread while the epoch before trains."""
        generator = np.random.default_rng(self._settings.seed)

        def lay_out() -> Blocks:
            return sparse.blocks(features[generator.permutation(len(features))], self._settings.batch_size)

        with ThreadPoolExecutor(max_workers=1) as ahead:
            coming = ahead.submit(lay_out)
            for epoch in range(epochs):
                shuffled = coming.result()
                if epoch + 1 < epochs:
                    coming = ahead.submit(lay_out)
                yield shuffled

    def _run(self, each: Callable[..., None], rows: Blocks) -> dict[str, float]:
        self.network.reset_metrics()
        each(*rows)
        return _logs(self.network)

    def _in_graph(self, step: Callable[..., object]) -> Callable[..., None]:
        """A function of `Blocks` that takes a step for every batch, traced once for any number of rows."""
        size = self._settings.batch_size
        graph: Callable[..., None] = tf.function(
            lambda *rows: _each_batch(step, self.network, Blocks(*rows), size), input_signature=sparse.SPEC
        )
        return graph
