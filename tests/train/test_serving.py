"""The SavedModel agrees with Keras on dense rows of words that are listed by hand."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stages import params
from stages.contracts.features import Columns
from stages.contracts.model import SERVING, write_model, write_serving
from stages.encoding import TokenizerName
from stages.inference.network import read
from stages.params import Params, Train
from stages.predict.model import Model
from stages.tables.rows import Row
from stages.train import network, serving
from tests.conftest import ROOT, write_params

WORDS = ["<padding>", "<start>", "<unknown>", "<unused>"]
WORDS += ["a", "film", "it's", "grand", "Ángela", "ángela", "strasse", "nước", "हिन्दी"]
WORDS += ["x\r", "x", "y\xa0z", "y", "映", "z", "end\0"]

EITHER = {
    "": [],
    " .\n!\t": [],
    "a film": ["a", "film"],
    "neither of these": ["?"],
}
KERAS = {
    **EITHER,
    "It's<br />GRAND!": ["it's", "?", "grand"],
    "A FILM, a Film; 'film'": ["a", "film", "?"],
    "Ángela ÁNGELA ángela": ["Ángela", "ángela"],
    "x\r\ny\xa0z": ["x\r", "y\xa0z"],
    "it\u2019s Straße": ["?"],
    "end\0 end": ["end\0", "?"],
}
UNICODE = {
    **EITHER,
    "It's<br />GRAND!": ["it's", "grand"],
    "A FILM, a Film; 'film'": ["a", "film"],
    "Ángela A\u0301NGELA": ["ángela"],
    "x\r\ny\xa0z": ["x", "y", "z"],
    "IT\u2019S in der Straße": ["it's", "?", "strasse"],
    "nu\u031bo\u031b\u0301c n\u01b0\u1edbc NU\u031bO\u0301\u031bC": ["nước"],
    "\u0301a_film — हिन्दी": ["a", "film", "हिन्दी"],
    "A<br />fil<b>m</b> it&#39;s &amp; &lt;br&gt;": ["a", "film", "it's", "?"],
    "映画x": ["映", "?", "x"],
}


@pytest.fixture(name="settings")
def train_settings(settings: Params) -> Train:
    return settings.train


def load(path: Path = SERVING) -> Callable[[list[str]], NDArray[np.float32]]:
    """Load the model in a folder as a function of texts."""
    model = tf.saved_model.load(str(path))  # without this the signature would be gone: it does not hold the model
    return lambda texts: model.signatures["serving_default"](text=tf.constant(texts, tf.string))["probability"].numpy()


def dense(cut: list[list[str]]) -> NDArray[np.float32]:
    """Return the multi-hot rows of words. "?" is a word without a column."""
    rows = np.zeros((len(cut), len(WORDS)), np.float32)
    rows[:, 1] = 1
    for row, words in zip(rows, cut, strict=True):
        row[[2 if word == "?" else WORDS.index(word) for word in words]] = 1
    return rows


@pytest.mark.parametrize("tokenizer", ["keras", "unicode"])
def test_n_grams_and_input_weights_are_part_of_the_saved_model(settings: Train, tokenizer: TokenizerName) -> None:
    """It answers as `predict` does."""
    columns = Columns([*WORDS, "a film", "x y", "nước a", "a film it's"], tokenizer)
    model = network.build(len(columns.words), settings.model_copy(update={"weighting": "log_ratio"}))
    model.layers[0].adapt_variance.assign(np.random.default_rng(1).uniform(0.1, 9, len(columns.words)))
    model.layers[0].finalize_state()
    write_model(model, columns)
    write_serving(serving.saved_model(model, columns))
    texts = [*(KERAS if tokenizer == "keras" else UNICODE), "a film", "film a", "A  film, it's grand", "nước a film"]
    rows = [Row("here", text) for text in texts]
    expected = [answer.probability for answer in Model(read(columns), columns).answers(rows, explain=False)]
    np.testing.assert_allclose(load()(texts), expected, atol=1e-6)
    assert len({round(probability, 6) for probability in expected[-4:]}) == 4


@pytest.mark.parametrize("hidden", [[], [40], [16, 16]])
@pytest.mark.parametrize(("tokenizer", "texts"), [("keras", KERAS), ("unicode", UNICODE)])
def test_probabilities_agree_with_keras(
    settings: Train, tokenizer: TokenizerName, texts: dict[str, list[str]], hidden: list[int]
) -> None:
    model = network.build(len(WORDS), settings.model_copy(update={"hidden_units": hidden}))
    write_serving(serving.saved_model(model, Columns(WORDS, tokenizer)))
    answer, expected = load(), model.predict(dense(list(texts.values())), verbose=0)[:, 0]
    np.testing.assert_allclose(answer(list(texts)), expected, atol=1e-6)
    np.testing.assert_allclose(answer(list(texts)[2:3]), expected[2:3], atol=1e-6)
    assert answer([]).shape == (0,)
    assert len(set(expected.tolist())) > 5  # texts with other words have other probabilities


def test_layers_other_than_dense_are_saved(folder: Path) -> None:
    """The weights of the other layers are saved too, such as the moving averages of BatchNormalization."""
    layers = [keras.layers.Dense(8, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    layers += [keras.layers.LayerNormalization(), keras.layers.ReLU()]  # which are called without `training`
    model = keras.Sequential([keras.Input((len(WORDS),)), *layers, keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    rows = dense(list(KERAS.values()))
    model.fit(rows, np.arange(len(rows)) % 2, epochs=3, verbose=0)
    write_serving(serving.saved_model(model, Columns(WORDS, "keras")))
    np.testing.assert_allclose(load()(list(KERAS)), model.predict(rows, verbose=0)[:, 0], atol=1e-6)


def test_two_models_in_one_process_have_their_own_words(settings: Train) -> None:
    model = network.build(len(WORDS), settings)
    answers = []
    for words in (WORDS, [*WORDS[:4], *reversed(WORDS[4:])]):
        write_serving(serving.saved_model(model, Columns(words, "keras")))
        answers.append(load())
    first, second = answers
    np.testing.assert_array_equal(first(["a film"]), second(["end\0 z"]))
    assert first(["a film"]) != second(["a film"])


def write_both() -> None:
    settings = params.load().train.model_copy(update={"activation": "silu"})
    tokenizers: tuple[TokenizerName, ...] = ("keras", "unicode")
    for tokenizer in tokenizers:
        write_serving(serving.saved_model(network.build(len(WORDS), settings), Columns(WORDS, tokenizer)))
        SERVING.rename(tokenizer)


def test_the_files_depend_only_on_the_network(settings: Train, tmp_path: Path) -> None:
    """TensorFlow numbers the functions that a process has traced. Another process starts from 0."""
    tf.function(lambda x: tf.nn.silu(x))(tf.ones(3))
    write_both()
    other = tmp_path / "another process"
    other.mkdir()
    write_params(other)
    code = "from tests.train.test_serving import write_both; write_both()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "22"}
    subprocess.run([sys.executable, "-c", code], cwd=other, check=True, env=environment)
    written = [
        {name: (folder / name / "saved_model.pb").read_bytes() for name in ("keras", "unicode")}
        for folder in (tmp_path, other)
    ]
    assert written[0] == written[1]
    for folder in (tmp_path, other):
        assert [len([path for path in (folder / name).rglob("*") if path.is_file()]) for name in written[0]] == [1, 1]
    for content in written[0].values():
        for trace in (str(tmp_path), str(ROOT), sys.prefix, "serving.py"):
            assert trace.encode() not in content
