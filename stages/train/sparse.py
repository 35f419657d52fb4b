"""CSR rows as TensorFlow takes them: blocks of one batch each, and their product with the first layer.

Keras's own Dense makes a detour through embeddings for a SparseTensor, at twice the cost of the product itself. Here
the product is TensorFlow's. The products of the layers above are cut so that every processor sums in the same order.
Weights, biases and activations are Keras's.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stages.contracts.features import Features

PREDICT_ROWS = 2048
"""Rows at a time where nothing is learnt. How many come together shows in the last bits: TensorFlow sums the rows left
over from 16 in another order."""
_ALIGNED = 16
"""Entries to a cache line: a block that starts on one is read where it lies, and not copied."""
_WIDEST = 16
"""Units at a time: TensorFlow's product on a CPU takes several times as long a unit from 32 units on."""
_DEEPEST = 256
"""Terms summed at a time: TensorFlow cuts a longer sum to fit the processor's cache, and the last bits show where."""


class Blocks(NamedTuple):
    """Rows in the order in which they are used, a block for each batch, all blocks padded to one width."""

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
"""Shapes and types of `Blocks`: one trace of a function is good for any number of rows."""


def blocks(features: Features, batch_size: int) -> Blocks:
    """Lay rows out in batches of `batch_size`, the last of which may be short."""
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


def apply(network: keras.Sequential, index: tf.Tensor, value: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """What `network` gives for one block.

    Args:
        network: Dense layers, as `stages.train.network.build` makes them.
        index: (width, 2) int32, as in `Blocks`.
        value: (width,) float32.
        rows: how many rows the block has, scalar int32.

    Returns:
        (rows, 1) float32 probabilities.
    """
    layers = [Layer(layer.kernel.value, layer.bias, layer.activation) for layer in network.layers]
    return through(layers, index, value, rows)


class Layer(NamedTuple):
    """A Dense layer, its weights as variables or as constants."""

    kernel: Any
    """(inputs, units) float32."""
    bias: Any
    """(units,) float32."""
    activation: Callable[[tf.Tensor], tf.Tensor]


def through(layers: Sequence[Layer], index: tf.Tensor, value: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """What the layers of a network give for one block: `apply`, which see."""
    first, *rest = layers
    outputs = first.activation(_product(index, value, rows, first.kernel) + first.bias)
    for layer in rest:
        outputs = layer.activation(_dense(outputs, layer.kernel) + layer.bias)
    return outputs


def _dense(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """What a Dense layer makes of (rows, inputs) before its bias: (rows, units)."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(some: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _matmul(upstream, tf.transpose(weights)), _matmul(tf.transpose(some), upstream)

        return _matmul(some, weights), gradient

    return product(inputs, kernel)


def _matmul(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """`tf.matmul` of two matrices, with sums of at most `_DEEPEST` terms at a time."""
    if left.shape[1] is not None and left.shape[1] <= _DEEPEST:
        return tf.matmul(left, right)
    padding = -tf.shape(right)[0] % _DEEPEST
    left = tf.reshape(tf.pad(left, [[0, 0], [0, padding]]), [tf.shape(left)[0], -1, _DEEPEST])
    right = tf.reshape(tf.pad(right, [[0, padding], [0, 0]]), [-1, _DEEPEST, right.shape[1]])
    return tf.reduce_sum(tf.matmul(tf.transpose(left, [1, 0, 2]), right), axis=0)


def _product(index: tf.Tensor, value: tf.Tensor, rows: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The block as a (rows, columns) matrix times a (columns, units) kernel, with a gradient to the kernel alone."""
    shape = tf.stack([tf.cast(rows, tf.int64), kernel.shape[0]])

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(some: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.SparseTensorDenseMatMul(
                a_indices=index, a_values=value, a_shape=shape, b=upstream, adjoint_a=True
            )

        return tf.raw_ops.SparseTensorDenseMatMul(a_indices=index, a_values=value, a_shape=shape, b=some), gradient

    units = kernel.shape[1]
    return tf.concat([product(kernel[:, start : start + _WIDEST]) for start in range(0, units, _WIDEST)], axis=1)


def predict(network: keras.Sequential, features: Features) -> NDArray[np.float32]:
    """The probability that each row is positive, (rows,) float32."""
    index, value, label = blocks(features, PREDICT_ROWS)
    outputs = [
        apply(network, index[batch], value[batch], min(PREDICT_ROWS, len(label) - batch * PREDICT_ROWS))
        for batch in range(len(index))
    ]
    return np.concatenate(outputs)[:, 0]
