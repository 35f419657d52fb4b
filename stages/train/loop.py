"""The training loop. It does what Keras's `fit` does, on sparse rows, and a TensorFlow graph loops over the batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from stages.console import UserError, say
from stages.params import PARAMS, Train
from stages.train import exact, rows, sparse
from stages.train.rows import RowRange
from stages.train.sparse import Blocks

_T = TypeVar("_T")


def forward_step(
    network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, label: tf.Tensor, training: bool = False
) -> tf.Tensor:
    """Update the metrics of the network with one batch, as Keras does, and return the loss of the batch, ()."""
    size = tf.shape(label)[0]
    outputs = sparse.apply(network, index, value, size, training=training)
    loss = network.compute_loss(y=label, y_pred=outputs)
    mean, *metrics = network.metrics
    mean.update_state(loss, sample_weight=size)
    for metric in metrics:
        metric.update_state(label, outputs)
    return loss


def train_step(network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, label: tf.Tensor) -> None:
    """Update the metrics of the network with one batch, then its weights. This works only in a graph."""
    variables = network.trainable_variables
    with tf.compat.v1.get_default_graph().gradient_override_map(exact.GRADIENTS):
        loss = forward_step(network, index, value, label, training=True)
    gradients = tf.gradients(loss, [variable.value for variable in variables])
    network.optimizer.apply(gradients, variables)


class Trainer:
    """Trains a compiled network. After `reset`, it trains the network again from its first weights.

    The hold-out run and the final fit share one trainer, so that TensorFlow traces the graph only once.
    """

    def __init__(self, network: keras.Sequential, settings: Train) -> None:
        network.optimizer.build(network.trainable_variables)
        self.network = network
        self._settings = settings
        self._state = [*network.variables, *network.optimizer.variables]
        self._first_state = [variable.numpy() for variable in self._state]
        # Another thread validates this copy while the network trains in the next epoch.
        self._copy = _clone(network)
        self._train = self._graph(train_step, network)
        self._test = self._graph(forward_step, self._copy)
        self._outputs = tf.function(partial(sparse.apply, self._copy, training=False), autograph=False)

    def reset(self) -> None:
        """Set the network and its optimizer back to the state in which the trainer got them."""
        _assign(self._state, self._first_state)

    def fit(
        self,
        ranges: list[RowRange],
        epochs: int,
        holdout: Sequence[RowRange] = (),
        after_epoch: Callable[[pd.DataFrame], object] = lambda _: None,
    ) -> pd.DataFrame:
        """Train for some epochs, with the rows in a new order in each, and print a line per epoch.

        Args:
            ranges: the rows to train on.
            epochs: the number of passes over these rows.
            holdout: the rows to validate on after each epoch.
            after_epoch: called after each epoch with the rows of the result so far, in another thread.

        Returns:
            One row per epoch, with the values that Keras's `fit` logs: `epoch` (from 1), `loss`, `binary_accuracy` and,
            with a hold-out, `val_loss` and `val_binary_accuracy`. Training values are means over the batches of the
            epoch, each computed before its step.

        Raises:
            UserError: the loss of an epoch is not finite. It is raised when the next epoch has ended.
        """
        kept = list(self._blocks(holdout)) if len(holdout) == 1 else []  # the same blocks in each epoch
        history: list[dict[str, float]] = []
        validation: Future[None] | None = None

        def finish_epoch(epoch: int, logs: dict[str, float]) -> None:
            if holdout:
                values = _run(self._test, self._copy, kept or self._blocks(holdout))
                logs |= {f"val_{name}": value for name, value in values.items()}
            self._report(epoch, epochs, logs)
            history.append({"epoch": epoch, **logs})
            after_epoch(pd.DataFrame(history))

        with ThreadPoolExecutor(max_workers=1) as thread:
            for epoch, batches in groupby(_prefetch(self._epochs(ranges, epochs)), key=itemgetter(0)):
                logs = _run(self._train, self.network, map(itemgetter(1), batches))
                if validation:
                    validation.result()  # until then, the copy is in use
                _assign(self._copy.variables, self.network.variables)
                validation = thread.submit(finish_epoch, epoch, logs)
        if validation:
            validation.result()
        return pd.DataFrame(history)

    def predict(self, ranges: Sequence[RowRange]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the labels of some rows and their probabilities, both (rows,). Call it in `after_epoch`.

        The probabilities are those of the network after the epoch that has just been validated.
        """
        size, labels, outputs = self._settings.batch_size, [], []
        for index, value, label in self._blocks(ranges):
            labels.append(label[:, 0])
            for batch in range(len(index)):
                count = min(size, len(label) - batch * size)
                outputs.append(self._outputs(index[batch], value[batch], tf.constant(count))[:, 0])
        return np.concatenate(labels), np.concatenate(outputs)

    def _report(self, epoch: int, epochs: int, logs: dict[str, float]) -> None:
        """Print the line of an epoch, or end a run that has diverged."""
        if not np.isfinite(list(logs.values())).all():
            raise UserError(
                f"{PARAMS}: training diverged in epoch {epoch}, {logs}; expected finite numbers: lower "
                f"train.learning_rate, which is {self._settings.learning_rate}, or try another train.optimizer"
            )
        values = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        say(f"epoch {epoch:{len(str(epochs))}}/{epochs}  {values}")

    def _epochs(self, ranges: Sequence[RowRange], epochs: int) -> Iterator[tuple[int, Blocks]]:
        """Yield the number of each epoch with its shuffled rows, some thousand rows at a time."""
        generator = np.random.default_rng(self._settings.seed)
        for epoch in range(1, epochs + 1):
            for blocks in self._blocks(ranges, generator):
                yield epoch, blocks

    def _blocks(self, ranges: Sequence[RowRange], generator: np.random.Generator | None = None) -> Iterator[Blocks]:
        size = self._settings.batch_size
        return (sparse.blocks(features, size) for features in rows.batches(ranges, size, generator))

    def _graph(self, step: Callable[..., object], network: keras.Sequential) -> Callable[..., None]:
        """Return a function of `Blocks` that takes a step for each batch. It is traced once for any number of rows."""
        size = self._settings.batch_size

        def steps(*arguments: tf.Tensor) -> None:
            index, value, label = arguments

            def take(batch: tf.Tensor) -> tf.Tensor:
                step(network, index[batch], value[batch], label[batch * size : (batch + 1) * size])
                return batch + 1

            tf.while_loop(lambda batch: batch < tf.shape(index)[0], take, [tf.constant(0)])

        # Without autograph, which writes files to TMPDIR. They would stay there if the process were killed.
        graph: Callable[..., None] = tf.function(steps, sparse.SPEC, autograph=False)
        return graph


def _clone(network: keras.Sequential) -> keras.Sequential:
    """Return a compiled copy of a network, with its own weights and metrics."""
    clone = keras.models.clone_model(network)
    clone.compile_from_config(network.get_compile_config())
    for layer, copy in zip(network.layers, clone.layers, strict=True):
        # To assign the variables is not enough: an adapted Normalization layer computes with values derived from them.
        state: dict[str, Any] = {}
        layer.save_own_variables(state)
        copy.load_own_variables(state)
    return clone


def _run(graph: Callable[..., None], network: keras.Sequential, several: Iterable[Blocks]) -> dict[str, float]:
    """Take a step for each batch, and return the network's metrics over all of them."""
    network.reset_metrics()
    for blocks in several:
        graph(*blocks)
    return {name: float(value) for name, value in network.get_metrics_result().items()}


def _assign(variables: Sequence[keras.Variable], values: Sequence[object]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _prefetch(items: Iterator[_T]) -> Iterator[_T]:
    """Yield the items of an iterator. Another thread computes the next two in advance."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = deque(thread.submit(next, items, None) for _ in range(2))
        while (item := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, items, None))
            yield item
