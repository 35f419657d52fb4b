"""Operations that give the same bits on every x86-64 processor.

Three things in TensorFlow depend on the processor that it finds:

- oneDNN's kernels, and matrix products compiled for the processor: `stages/train/__init__.py` turns them off.
- Sums of more terms than fit a cache line are cut where the processor's cache ends. `dense` sums `_DEEPEST` terms at a
  time, forward and in its gradients.
- Approximate reciprocals differ between makes of processors. Without arithmetic optimization TensorFlow does not turn
  `x / sqrt(y)` into a product with one, and `GRADIENTS` replaces the two gradients that use one.

Keras layers other than Dense are called as they are. Those that multiply matrices by themselves may differ in the last
bits from one processor to another, as may activations whose formula has a reciprocal (gelu, silu).
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

_DEEPEST = 256
"""Terms summed at a time."""

tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})

GRADIENTS = {"Log": "ExactLog", "Log1p": "ExactLog1p"}
"""For `tf.Graph.gradient_override_map`: the gradients of logarithms, with divisions in place of reciprocals."""


@tf.RegisterGradient("ExactLog")  # type: ignore[untyped-decorator]
def _gradient_of_log(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    return upstream / operation.inputs[0]


@tf.RegisterGradient("ExactLog1p")  # type: ignore[untyped-decorator]
def _gradient_of_log1p(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    return upstream / (1 + operation.inputs[0])


def replaces(layer: keras.Layer) -> bool:
    """Whether `dense` does all that a layer does."""
    return type(layer) is keras.layers.Dense and layer.activity_regularizer is None


def dense(inputs: tf.Tensor, kernel: Any, bias: Any, activation: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Return what a Keras Dense layer gives.

    Args:
        inputs: (rows, inputs) float32.
        kernel: (inputs, units) float32, a variable's value or a constant.
        bias: (units,) float32, or None.
        activation: the layer's.

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
    """`tf.matmul` of two matrices, with sums of at most `_DEEPEST` terms at a time."""
    if left.shape[1] is not None and left.shape[1] <= _DEEPEST:
        return tf.matmul(left, right)
    padding = -tf.shape(right)[0] % _DEEPEST
    left = tf.reshape(tf.pad(left, [[0, 0], [0, padding]]), [tf.shape(left)[0], -1, _DEEPEST])
    right = tf.reshape(tf.pad(right, [[0, padding], [0, 0]]), [-1, _DEEPEST, right.shape[1]])
    return tf.reduce_sum(tf.matmul(tf.transpose(left, [1, 0, 2]), right), axis=0)
