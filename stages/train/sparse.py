"""CSR rows as tensors with one block per batch, and the forward pass on them.

The first layer uses TensorFlow's product of a sparse and a dense matrix. It takes half the time of Keras's Dense layer,
which looks up embeddings for a SparseTensor. The layers after it are called as in Keras.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from stages.console import UserError
from stages.contracts.features import Features
from stages.train import exact

_ALIGNMENT = 16
"""Entries in a cache line. TensorFlow copies a block, unless it starts at a cache line."""
_UNITS = 16
"""Units multiplied at a time. From 32 units on, TensorFlow's product takes several times as long per unit on a CPU."""


_LEAST = 1e-24
"""The least sum of squares of a row that UnitNormalization divides by, as in Keras."""


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
        network: Normalization and UnitNormalization, if any, a Dense layer, then any Keras layers.
        index: (width, 2) int32, as in `Blocks`.
        value: (width,) float32.
        rows: the number of rows in the block, scalar int32.
        training: passed to the layers, such as Dropout and BatchNormalization.

    Returns:
        (rows, 1) float32 probabilities.
    """
    front, first, rest = split_layers(network)
    value = scale([layer and layer.adapt_variance.value for layer in front], index, value, rows)
    outputs = exact.activate(product(index, value, rows, first.kernel.value), first.bias, first.activation)
    for layer in rest:
        if exact.replaces(layer):
            outputs = exact.dense(outputs, layer.kernel.value, layer.bias, layer.activation)
        else:
            outputs = layer(outputs, training=training)
    return outputs


def split_layers(
    network: keras.Sequential,
) -> tuple[list[keras.layers.Normalization | None], keras.layers.Dense, list[keras.Layer]]:
    """Return the layers before the first Dense layer for `scale`, this Dense layer, and the layers after it.

    Of the layers in front, a Normalization layer is returned as it is, and a UnitNormalization layer as None.

    Raises:
        UserError: another kind of layer comes before the first Dense layer, or there is no Dense layer.
    """
    place = next(
        (place for place, layer in enumerate(network.layers) if isinstance(layer, keras.layers.Dense)),
        len(network.layers),
    )
    front: list[keras.layers.Normalization | None] = []
    for layer in network.layers[:place]:
        if not isinstance(layer, keras.layers.Normalization | keras.layers.UnitNormalization):
            raise UserError(
                f"stages/train/network.py: the layer {layer.name} comes before the first Dense layer, which multiplies "
                "sparse rows: add it after that layer"
            )
        front.append(layer if isinstance(layer, keras.layers.Normalization) else None)
    return front, network.layers[place], network.layers[place + 1 :]


def scale(variances: Sequence[Any], index: tf.Tensor, value: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Return the values of a block, (width,), after the layers before the first Dense layer.

    Args:
        variances: for a Normalization layer with mean 0 its (columns,) variances, for a UnitNormalization layer None.
        index: (width, 2) integers, as in `Blocks`.
        value: (width,) float32.
        rows: the number of rows in the block, scalar int32.
    """
    for variance in variances:
        if variance is not None:
            value /= tf.gather(tf.sqrt(variance), index[:, 1])
        else:
            squares = tf.math.unsorted_segment_sum(value**2, index[:, 0], rows)
            value /= tf.gather(tf.sqrt(tf.maximum(squares, _LEAST)), index[:, 0])
    return value


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
