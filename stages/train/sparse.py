"""CSR rows for TensorFlow: blocks of one batch each, and the forward pass on them.

Keras's own Dense multiplies a SparseTensor through embeddings, at twice the cost of TensorFlow's sparse product, which
the first layer uses here. The layers after it are called as Keras calls them.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from stages.contracts.features import Features
from stages.train import exact

_ALIGNED = 16
"""Entries to a cache line: TensorFlow reads a block that starts on one in place, and copies any other."""
_WIDEST = 16
"""Units multiplied at a time: from 32 units on, TensorFlow's product on a CPU takes several times as long per unit."""


class Blocks(NamedTuple):
    """Rows in the order in which they are used: a block for each batch, all blocks padded to one width."""

    index: tf.Tensor
    """(batches, width, 2) int32: an entry's row within its batch, and its column; 0, 0 in the padding."""
    value: tf.Tensor
    """(batches, width) float32: an entry's value; 0 in the padding."""
    label: tf.Tensor
    """(rows, 1) float32."""


SPEC = (
    tf.TensorSpec([None, None, 2], tf.int32),
    tf.TensorSpec([None, None], tf.float32),
    tf.TensorSpec([None, 1], tf.float32),
)
"""Shapes and types of `Blocks`, so that a function is traced once for any number of rows."""


def blocks(features: Features, batch_size: int) -> Blocks:
    """Lay out rows in batches of `batch_size`; the last one may be short."""
    matrix, rows = features.matrix, len(features)
    cuts = matrix.indptr[np.append(np.arange(0, rows, batch_size), rows)]
    batches, width = len(cuts) - 1, -(-int(np.diff(cuts).max()) // _ALIGNED) * _ALIGNED
    index, value = np.zeros((batches, width, 2), np.int32), np.zeros((batches, width), np.float32)
    row = np.repeat(np.arange(rows, dtype=np.int32) % batch_size, np.diff(matrix.indptr))
    for batch, (start, stop) in enumerate(pairwise(cuts)):
        index[batch, : stop - start, 0] = row[start:stop]
        index[batch, : stop - start, 1] = matrix.indices[start:stop]
        value[batch, : stop - start] = matrix.data[start:stop]
    return Blocks(*map(tf.convert_to_tensor, (index, value, features.labels[:, None])))


def apply(
    network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, rows: tf.Tensor, *, training: bool
) -> tf.Tensor:
    """Return what `network` gives for one block.

    Args:
        network: a Dense layer, then any Keras layers.
        index: (width, 2) int32, as in `Blocks`.
        value: (width,) float32.
        rows: how many rows the block has, scalar int32.
        training: whether Dropout drops units, BatchNormalization learns, and so on.

    Returns:
        (rows, 1) float32 probabilities.
    """
    first, *rest = network.layers
    outputs = exact.activate(product(index, value, rows, first.kernel.value), first.bias, first.activation)
    for layer in rest:
        if exact.replaces(layer):
            outputs = exact.dense(outputs, layer.kernel.value, layer.bias, layer.activation)
        else:
            outputs = layer(outputs, training=training)
    return outputs


def product(index: tf.Tensor, value: tf.Tensor, rows: tf.Tensor, kernel: Any) -> tf.Tensor:
    """Multiply the block, as a (rows, columns) matrix, by a (columns, units) kernel; only the kernel has a gradient."""
    shape = tf.stack([tf.cast(rows, tf.int64), kernel.shape[0]])

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def multiply(some: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.SparseTensorDenseMatMul(
                a_indices=index, a_values=value, a_shape=shape, b=upstream, adjoint_a=True
            )

        return tf.raw_ops.SparseTensorDenseMatMul(a_indices=index, a_values=value, a_shape=shape, b=some), gradient

    units = kernel.shape[1]
    return tf.concat([multiply(kernel[:, start : start + _WIDEST]) for start in range(0, units, _WIDEST)], axis=1)
