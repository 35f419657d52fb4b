"""Operations with bit-for-bit the same results on every x86-64 processor.

In TensorFlow, three things depend on the processor:

- The kernels of oneDNN, and matrix products that are compiled for the processor. `stages/train/__init__.py` turns both
  off.
- The order in which a matrix product adds many terms: the size of the processor's cache decides it. `dense` adds at
  most `_TERMS` terms at a time, also in its gradients.
- Approximate reciprocals, which differ between AMD and Intel. This module turns off arithmetic optimization, which
  would replace `x / sqrt(y)` by a product with such a reciprocal. `GRADIENTS` replaces the two gradients that use one.

Other Keras layers are called as they are. If they multiply matrices themselves, or if the formula of an activation has
a reciprocal (gelu, silu), the last bits may differ between processors.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

_TERMS = 256
"""The number of terms that a matrix product adds at a time."""

tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})

GRADIENTS = {"Log": "ExactLog", "Log1p": "ExactLog1p"}
"""For `tf.Graph.gradient_override_map`: gradients of logarithms that divide, instead of using a reciprocal."""


@tf.RegisterGradient("ExactLog")  # type: ignore[untyped-decorator]
def _gradient_of_log(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    return upstream / operation.inputs[0]


@tf.RegisterGradient("ExactLog1p")  # type: ignore[untyped-decorator]
def _gradient_of_log1p(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    return upstream / (1 + operation.inputs[0])


def replaces(layer: keras.Layer) -> bool:
    """Return whether `dense` computes the same as a layer."""
    return type(layer) is keras.layers.Dense and layer.activity_regularizer is None


def dense(inputs: tf.Tensor, kernel: Any, bias: Any, activation: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Compute a Keras Dense layer.

    Args:
        inputs: (rows, inputs) float32.
        kernel: (inputs, units) float32, the value of a variable or a constant.
        bias: (units,) float32, or None.
        activation: the activation of the layer.

    Returns:
        (rows, units) float32.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(some: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _matmul(upstream, tf.transpose(weights)), _matmul(tf.transpose(some), upstream)

        return _matmul(some, weights), gradient

    return activate(product(inputs, kernel), bias, activation)


def activate(sums: tf.Tensor, bias: Any, activation: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Add the bias, if the layer has one, and apply the activation."""
    return activation(sums if bias is None else sums + bias)


def _matmul(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Return `tf.matmul(left, right)`, with at most `_TERMS` terms added at a time."""
    if left.shape[1] is not None and left.shape[1] <= _TERMS:
        return tf.matmul(left, right)
    padding = -tf.shape(right)[0] % _TERMS
    left = tf.reshape(tf.pad(left, [[0, 0], [0, padding]]), [tf.shape(left)[0], -1, _TERMS])
    right = tf.reshape(tf.pad(right, [[0, padding], [0, 0]]), [-1, _TERMS, right.shape[1]])
    return tf.reduce_sum(tf.matmul(tf.transpose(left, [1, 0, 2]), right), axis=0)
