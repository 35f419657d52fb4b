"""The training loop: what `model.fit` does, on sparse rows and without Python between steps."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from stages.console import UserError, say
from stages.params import PARAMS, Train
from stages.train import exact, rows, sparse
from stages.train.rows import RowRange
from stages.train.sparse import Blocks


def test_step(network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, label: tf.Tensor) -> None:
    """Update the network's metrics with one batch."""
    _measure(network, index, value, label, training=False)


def train_step(network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, label: tf.Tensor) -> None:
    """Take one step of the optimizer on one batch, in a graph; update the network's metrics before it."""
    variables = network.trainable_variables
    with tf.compat.v1.get_default_graph().gradient_override_map(exact.GRADIENTS):
        loss = _measure(network, index, value, label, training=True)
    gradients = tf.gradients(loss, [variable.value for variable in variables])
    network.optimizer.apply(gradients, variables)


def _measure(
    network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, label: tf.Tensor, *, training: bool
) -> tf.Tensor:
    """Update the network's metrics with one batch, and return its loss, (), as Keras's `train_step` does."""
    size = tf.shape(label)[0]
    outputs = sparse.apply(network, index, value, size, training=training)
    loss = network.compute_loss(y=label, y_pred=outputs)
    mean, *metrics = network.metrics
    mean.update_state(loss, sample_weight=size)
    for metric in metrics:
        metric.update_state(label, outputs)
    return loss


def _each_batch(step: Callable[..., object], network: keras.Sequential, blocks: Blocks, batch_size: int) -> None:
    """Take a step for every batch, in a loop in the graph."""

    def take(batch: tf.Tensor) -> tf.Tensor:
        label = blocks.label[batch * batch_size : (batch + 1) * batch_size]
        step(network, blocks.index[batch], blocks.value[batch], label)
        return batch + 1

    tf.while_loop(lambda batch: batch < tf.shape(blocks.index)[0], take, [tf.constant(0)])


def _logs(network: keras.Sequential) -> dict[str, float]:
    return {name: float(value) for name, value in network.get_metrics_result().items()}


class _Pass(NamedTuple):
    """Some rows, and what they are for."""

    epoch: int
    validation: bool
    blocks: Blocks


_T = TypeVar("_T")


def _ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield what an iterator yields, made in another thread while the ones before are in use."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        # Two, so that an epoch's rows are laid out while the rows before the hold-out train, not only during it.
        coming = deque(thread.submit(next, items, None) for _ in range(2))
        while (item := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, items, None))
            yield item


class Trainer:
    """Trains a compiled network, and after `reset` trains it again from its first weights.

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

    def fit(self, ranges: list[RowRange], epochs: int, holdout: Sequence[RowRange] = ()) -> pd.DataFrame:
        """Train for some epochs, on the rows in a new order each time, and print a line for each.

        Args:
            ranges: the rows to train on.
            epochs: how often to go through them.
            holdout: rows to validate on after every epoch.

        Returns:
            A row per epoch, with what Keras's `fit` logs: `epoch` (from 1), `loss`, `binary_accuracy` and, with a
            hold-out, `val_loss` and `val_binary_accuracy`. Training values are means over the epoch's batches, each
            taken before the batch's step.
        """
        history: list[dict[str, float]] = []
        for epoch, passes in groupby(_ahead(self._passes(ranges, epochs, list(holdout))), key=attrgetter("epoch")):
            logs: dict[str, float] = {}
            for validation, blocks in groupby(passes, key=attrgetter("validation")):
                self.network.reset_metrics()
                for each in blocks:
                    (self._test if validation else self._train)(*each.blocks)
                logs |= {f"val_{name}" if validation else name: value for name, value in _logs(self.network).items()}
            if not np.isfinite(list(logs.values())).all():
                raise UserError(
                    f"{PARAMS}: training diverged in epoch {epoch}, {logs}; expected numbers: lower "
                    f"train.learning_rate, which is {self._settings.learning_rate}, or try another train.optimizer"
                )
            values = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
            say(f"epoch {epoch:{len(str(epochs))}}/{epochs}  {values}")
            history.append({"epoch": epoch, **logs})
        return pd.DataFrame(history)

    def _passes(self, ranges: list[RowRange], epochs: int, holdout: list[RowRange]) -> Iterator[_Pass]:
        """All that `fit` goes through: for each epoch the rows in a new order, then the hold-out in its own."""
        size, generator = self._settings.batch_size, np.random.default_rng(self._settings.seed)
        kept: list[Blocks] = []  # of a hold-out in one piece, which is the same every time
        for epoch in range(1, epochs + 1):
            for features in rows.batches(ranges, size, generator):
                yield _Pass(epoch, False, sparse.blocks(features, size))
            judged = kept or (sparse.blocks(features, size) for features in rows.batches(holdout, size))
            kept = list(judged) if len(holdout) == 1 else []
            for blocks in kept or judged:
                yield _Pass(epoch, True, blocks)

    def _in_graph(self, step: Callable[..., object]) -> Callable[..., None]:
        """A function of `Blocks` that takes a step for every batch, traced once for any number of rows."""
        size = self._settings.batch_size
        # Without autograph, which writes files to TMPDIR that stay there when the process is killed.
        graph: Callable[..., None] = tf.function(
            lambda *rows: _each_batch(step, self.network, Blocks(*rows), size), sparse.SPEC, autograph=False
        )
        return graph
