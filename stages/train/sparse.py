"""CSR rows as tensors with one block per batch, and the forward pass on them.

The first layer uses TensorFlow's product of a sparse and a dense matrix. It takes half the time of Keras's Dense layer,
which looks up embeddings for a SparseTensor. The layers after it are called as in Keras.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from stages.contracts.features import Features
from stages.train import exact

_ALIGNMENT = 16
"""Entries in a cache line. TensorFlow copies a block, unless it starts at a cache line."""
_UNITS = 16
"""Units multiplied at a time. From 32 units on, TensorFlow's product takes several times as long per unit on a CPU."""


class Blocks(NamedTuple):
    """Rows in the order in which they are used, with one block per batch. All blocks are padded to the same width."""

    index: tf.Tensor
    """(batches, width, 2) int32: the row of each entry within its batch, and its column. Both are 0 in the padding."""
    value: tf.Tensor
    """(batches, width) float32: the value of each entry. It is 0 in the padding."""
    label: tf.Tensor
    """(rows, 1) float32."""


SPEC = (
    tf.TensorSpec([None, None, 2], tf.int32),
    tf.TensorSpec([None, None], tf.float32),
    tf.TensorSpec([None, 1], tf.float32),
)
"""The shapes and types of `Blocks`. With them, TensorFlow traces a function once for any number of rows."""


def blocks(features: Features, batch_size: int) -> Blocks:
    """Arrange rows in blocks of `batch_size` rows. The last block may have fewer."""
    matrix, rows = features.matrix, len(features)
    cuts = matrix.indptr[np.append(np.arange(0, rows, batch_size), rows)]
    batches, width = len(cuts) - 1, -(-int(np.diff(cuts).max()) // _ALIGNMENT) * _ALIGNMENT
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
    """Compute the output of a network for one block.

    Args:
        network: a Dense layer, then any Keras layers.
        index: (width, 2) int32, as in `Blocks`.
        value: (width,) float32.
        rows: the number of rows in the block, scalar int32.
        training: passed to the layers, such as Dropout and BatchNormalization.

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
    """Multiply a block, as a (rows, columns) matrix, by a (columns, units) kernel. Only the kernel gets a gradient."""
    shape = tf.stack([tf.cast(rows, tf.int64), kernel.shape[0]])

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def multiply(some: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.SparseTensorDenseMatMul(
                a_indices=index, a_values=value, a_shape=shape, b=upstream, adjoint_a=True
            )

        return tf.raw_ops.SparseTensorDenseMatMul(a_indices=index, a_values=value, a_shape=shape, b=some), gradient

    units = kernel.shape[1]
    return tf.concat([multiply(kernel[:, start : start + _UNITS]) for start in range(0, units, _UNITS)], axis=1)
