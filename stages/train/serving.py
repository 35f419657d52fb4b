"""The network as a TensorFlow SavedModel that takes texts. The encoding is part of the graph.

The SavedModel is assembled here, because the files that `tf.saved_model.save` writes are not reproducible: they contain
a random id, and numbers that depend on what the process did before. Words and weights are constants of the graph.
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
"""The name of the signature that TensorFlow runs once, when it loads the model."""


def saved_model(network: keras.Sequential, columns: Columns) -> SavedModel:
    """Return a SavedModel without variables and assets, whose signature `serving_default` takes texts.

    The input is `text`, (texts,) strings in UTF-8. The output is `probability`, (texts,) float32. It
    differs by at most 1e-6 from what `stages.inference` computes for the multi-hot rows of the texts.

    Args:
        network: as in `stages.train.sparse.apply`.
        columns: the words and n-grams that the columns of the network stand for.
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
        node.attr.pop("_gradient_op_type", None)  # of training; its number depends on what the process did before
    return saved


def _info(tensor: tf.Tensor) -> TensorInfo:
    """Describe a tensor for a signature."""
    return TensorInfo(name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto())


def _traced(network: keras.Sequential, columns: Columns) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Trace the graph, and return its input, its empty table of words, and its output."""
    forward, tables = _frozen(network), []

    def answer(text: tf.Tensor) -> tf.Tensor:
        tables.append(tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="words"))
        ones = _ones(text, columns, tables[0])
        return tf.squeeze(forward(ones, text), axis=1)

    inputs = [tf.TensorSpec([None], tf.string, "text")]
    graph = tf.function(answer, input_signature=inputs, autograph=False).get_concrete_function()
    return graph.inputs[0], tables[0], graph.outputs[0]


def _frozen(network: keras.Sequential) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the network, with constant weights, as a function of multi-hot rows, (ones, 2) int64, and their texts."""
    front, first, rest = sparse.split_layers(network)
    variances = [layer and layer.adapt_variance.numpy() for layer in front]
    kernel, bias = _constants(first)
    functions = list(map(_frozen_layer, rest))

    def forward(ones: tf.Tensor, text: tf.Tensor) -> tf.Tensor:
        values, rows = tf.ones_like(ones[:, 0], tf.float32), tf.size(text)
        sums = sparse.product(ones, sparse.scale(variances, ones, values, rows), rows, kernel)
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
    """Return the kernel of a Dense layer, and its bias or None."""
    return layer.kernel.numpy(), None if layer.bias is None else layer.bias.numpy()


def _fill(table: tf.Tensor, columns: Columns) -> tf.Operation:
    """Return the operation that fills the table with all words and their columns."""
    special = len(vocabulary.SPECIAL)
    spell = text_ops.TOKENIZERS[columns.tokenizer].spell
    # `_ones` gives each text an empty first word. It stands for the column that is set for every text.
    keys = [b"", *(spell(word).encode() for word in columns.words[special:])]
    values = [vocabulary.START, *range(special, len(columns.words))]
    return tf.raw_ops.InitializeTableV2(
        table_handle=table, keys=np.array(keys, object), values=np.array(values, np.int64)
    )


def _ones(text: tf.Tensor, columns: Columns, table: tf.Tensor) -> tf.Tensor:
    """Return the sorted rows and columns of the ones in the multi-hot rows of the texts: (ones, 2) int64."""
    cut = text_ops.TOKENIZERS[columns.tokenizer].cut
    words = tf.raw_ops.StringSplitV2(input=tf.strings.join([" ", cut(text)]), sep=" ")
    unknown = tf.constant(vocabulary.UNKNOWN, tf.int64)
    column = tf.raw_ops.LookupTableFindV2(table_handle=table, keys=words.values, default_value=unknown)
    ones = words.indices[:, 0] * len(columns.words) + column
    if columns.longest > 1:
        ones = tf.concat([ones, _ngrams(words, tf.size(text, tf.int64), columns, table)], axis=0)
    ones, _ = tf.unique(ones)
    ones = tf.sort(ones)  # because the order of a sum changes its last bits
    return tf.stack([ones // len(columns.words), ones % len(columns.words)], axis=1)


def _ngrams(words: tf.Tensor, texts: tf.Tensor, columns: Columns, table: tf.Tensor) -> tf.Tensor:
    """Return `row * columns + column` for all n-grams with a column, (ones,) int64, given the words of the texts."""
    there = words.values != b""
    row, word = words.indices[:, 0][there], words.values[there]
    each = tf.RaggedTensor.from_value_rowids(word, row, texts, validate=False)
    found = tf.strings.ngrams(each, list(range(2, columns.longest + 1)))
    none = tf.constant(-1, tf.int64)
    column = tf.raw_ops.LookupTableFindV2(table_handle=table, keys=found.values, default_value=none)
    known = tf.where(tf.reshape(column, [-1]) != none)[:, 0]
    return tf.gather(found.value_rowids(), known) * len(columns.words) + tf.gather(column, known)
