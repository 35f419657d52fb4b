"""The network as a model that takes text: a TensorFlow SavedModel, encoding included.

It is put together here, a plain graph with words and weights for constants, because the files that
`tf.saved_model.save` writes hold a random id, and numbers that depend on what the process did before.
"""

import inspect
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from stages.contracts.features import Columns
from stages.encoding import vocabulary
from stages.train import exact, sparse, text_ops

_INIT = "__saved_model_init_op"
"""By this name TensorFlow knows what it runs once, when it loads the model."""


def saved_model(network: keras.Sequential, columns: Columns) -> SavedModel:
    """A SavedModel whose signature `serving_default` answers for texts; it has neither variables nor assets.

    The signature takes `text`, (texts,) strings in UTF-8, and returns `probability`, (texts,) float32: what
    `stages.inference` gives for the texts' multi-hot rows, to 1e-6.

    Args:
        network: a Dense layer, then any Keras layers.
        columns: what the network's columns stand for.
    """
    text, table, probability = _traced(network, columns)
    saved = SavedModel(saved_model_schema_version=1)
    content = saved.meta_graphs.add()
    content.meta_info_def.tags.append(tf.saved_model.SERVING)
    content.meta_info_def.tensorflow_version = tf.__version__
    signature = content.signature_def[tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY]
    signature.method_name = "tensorflow/serving/predict"
    signature.inputs["text"].CopyFrom(_info(text))
    signature.outputs["probability"].CopyFrom(_info(probability))
    with probability.graph.as_default():
        content.signature_def[_INIT].outputs[_INIT].name = _fill(table, columns).name
    content.graph_def.CopyFrom(probability.graph.as_graph_def())
    for node in content.graph_def.node:
        node.attr.pop("_gradient_op_type", None)  # of use in training only, and numbered by what the process did before
    return saved


def _info(tensor: tf.Tensor) -> TensorInfo:
    """What a signature says of a tensor."""
    return TensorInfo(name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto())


def _traced(network: keras.Sequential, columns: Columns) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A graph: its input, its table of words, still empty, and its output."""
    forward, tables = _frozen(network), []

    def answer(text: tf.Tensor) -> tf.Tensor:
        tables.append(tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="words"))
        ones = _ones(text, columns, tables[0])
        return tf.squeeze(forward(ones, text), axis=1)

    inputs = [tf.TensorSpec([None], tf.string, "text")]
    graph = tf.function(answer, input_signature=inputs, autograph=False).get_concrete_function()
    return graph.inputs[0], tables[0], graph.outputs[0]


def _frozen(network: keras.Sequential) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The network as a function of multi-hot rows, (ones, 2) int64, and their texts; its weights are constants."""
    first, *rest = network.layers
    kernel, bias = _constants(first)
    functions = list(map(_frozen_layer, rest))

    def forward(ones: tf.Tensor, text: tf.Tensor) -> tf.Tensor:
        sums = sparse.product(ones, tf.ones_like(ones[:, 0], tf.float32), tf.size(text), kernel)
        outputs = exact.activate(sums, bias, first.activation)
        for function in functions:
            outputs = function(outputs)
        return outputs

    return forward


def _frozen_layer(layer: keras.Layer) -> Callable[[tf.Tensor], tf.Tensor]:
    if exact.replaces(layer):
        kernel, bias = _constants(layer)
        return lambda inputs: exact.dense(inputs, kernel, bias, layer.activation)
    weights = [[each.numpy() for each in some] for some in (layer.trainable_variables, layer.non_trainable_variables)]
    options = {"training": False} if "training" in inspect.signature(layer.call).parameters else {}
    return lambda inputs: layer.stateless_call(*weights, inputs, **options)[0]


def _constants(layer: keras.layers.Dense) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The kernel and the bias of a Dense layer; None if it has no bias."""
    return layer.kernel.numpy(), None if layer.bias is None else layer.bias.numpy()


def _fill(table: tf.Tensor, columns: Columns) -> tf.Operation:
    """The operation that puts every word and its column into the table."""
    special = len(vocabulary.SPECIAL)
    spell = text_ops.TOKENIZERS[columns.tokenizer].spell
    # No word, which is what `_ones` finds in front of the first, stands for the column that every text sets.
    keys = [b"", *(spell(word).encode() for word in columns.words[special:])]
    values = [vocabulary.START, *range(special, len(columns.words))]
    return tf.raw_ops.InitializeTableV2(
        table_handle=table, keys=np.array(keys, object), values=np.array(values, np.int64)
    )


def _ones(text: tf.Tensor, columns: Columns, table: tf.Tensor) -> tf.Tensor:
    """Row and column of every one in the texts' multi-hot rows, in order: (ones, 2) int64."""
    cut = text_ops.TOKENIZERS[columns.tokenizer].cut
    words = tf.raw_ops.StringSplitV2(input=tf.strings.join([" ", cut(text)]), sep=" ")
    unknown = tf.constant(vocabulary.UNKNOWN, tf.int64)
    column = tf.raw_ops.LookupTableFindV2(table_handle=table, keys=words.values, default_value=unknown)
    ones, _ = tf.unique(words.indices[:, 0] * len(columns.words) + column)
    ones = tf.sort(ones)  # sums in another order end in other bits
    return tf.stack([ones // len(columns.words), ones % len(columns.words)], axis=1)
