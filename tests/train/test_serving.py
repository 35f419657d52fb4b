"""The model that takes text against Keras on dense rows that the test makes, and its files' bytes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stages import artifacts
from stages.artifacts import Columns
from stages.download.text import TOKENIZERS
from stages.train import serving, text_ops
from tests.conftest import ROOT

SPECIAL = ["<padding>", "<start>", "<unknown>", "<unused>"]
WORDS = [
    "the",
    "film",
    "it's",
    "naïve",
    "ángela's",
    "Ángela's",
    "straße",
    "strasse",
    "हिन्दी",
    "фильм",
    "a\u00a0b",
    "'",
    "한국",
    "\u1ecd\u0301k",
]
TEXTS = [
    "",
    "   ",
    "the film",
    "The FILM, the film; it's film-film!",
    "nothing known here at all",
    "Ángela's naïve NAÏVE film.<br />It\u2019s the",
    "A\u0301NGELA'S Stra\u00dfe STRASSE \u1e9e",
    "हिन्दी ФИЛЬМ фильм_the film",
    "a\u00a0b a b\r\nthe\rfilm\tfilm",
    "'the' ''film'' it''s it's' \u200cthe\u200d film\u200dthe",
    "한국 \u1112\u1161\u11ab\u1100\u116e\u11a8",
    "o\u0301\u0323k \u1ecd\u0301k \u00f3\u0323k",
    "x" * 5000 + " film",
    "the\x00film \ufeffthe",
]


def network(columns: int, hidden: list[int], activation: str = "relu") -> keras.Sequential:
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Dense(units, activation) for units in hidden]
    return keras.Sequential(
        [keras.Input((columns,)), *layers, keras.layers.Dense(1, "sigmoid", bias_initializer="normal")]
    )


def expected(model: keras.Sequential, columns: Columns, texts: list[str]) -> np.ndarray:
    dense = np.zeros((len(texts), len(columns.words)), np.float32)
    for row, text in enumerate(texts):
        dense[row, 1] = 1
        for word in TOKENIZERS[columns.tokenizer](text):
            dense[row, columns.words.index(word, 4) if word in columns.words[4:] else 2] = 1
    answers: np.ndarray = model.predict(dense, verbose=0)[:, 0]
    return answers


@pytest.mark.parametrize("tokenizer", ["keras", "unicode"])
@pytest.mark.parametrize(("hidden", "activation"), [([], "relu"), ([5], "tanh"), ([16, 16], "relu"), ([40], "gelu")])
def test_texts_get_the_answers_of_their_dense_rows(
    folder: Path, tokenizer: str, hidden: list[int], activation: str
) -> None:
    columns = Columns([*SPECIAL, *WORDS], tokenizer)
    model = network(len(columns.words), hidden, activation)
    artifacts.write_serving(serving.saved_model(model, columns))
    loaded = tf.saved_model.load(str(artifacts.SERVING)).signatures["serving_default"]
    answers = loaded(text=tf.constant(TEXTS))["probability"].numpy()
    np.testing.assert_allclose(answers, expected(model, columns, TEXTS), atol=1e-6)
    assert len(set(answers.tolist())) > 5
    for text, answer in zip(TEXTS, answers, strict=True):
        assert loaded(text=tf.constant([text]))["probability"].numpy() == pytest.approx(answer, abs=1e-6)
    assert loaded(text=tf.constant([], tf.string))["probability"].shape == (0,)


def random_texts() -> list[str]:
    """Texts of characters from everywhere, letters and marks more often than their share."""
    generator = np.random.default_rng(5)
    everywhere = generator.integers(1, 0x110000, 4000)
    common = np.array(
        [*range(1, 0x250), *range(0x300, 0x370), *range(0x900, 0x980), 0x2019, 0x200C, 0x200D, 0x27, 0x20]
    )
    texts = []
    for number in range(400):
        codes = generator.choice(everywhere if number % 4 == 0 else common, 40)
        texts.append("".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000))
    return texts


@pytest.mark.parametrize("tokenizer", ["keras", "unicode"])
def test_texts_are_cut_into_the_words_that_the_pipeline_cuts(tokenizer: str) -> None:
    texts = [*TEXTS, *random_texts()]
    in_graph = text_ops.TOKENIZERS[tokenizer]
    cut = in_graph.cut(tf.constant(texts)).numpy()
    for text, words in zip(texts, cut, strict=True):
        found = [word for word in words.decode().split(" ") if word]
        assert found == [in_graph.spell(word) for word in TOKENIZERS[tokenizer](text)], ascii(text)


EXPORT = """
import hashlib, sys
import numpy as np, tensorflow as tf
for _ in range(int(sys.argv[1])):  # what the process did before must not show
    tf.function(lambda x: x * 2)(tf.constant(1.0))
from stages import artifacts
from stages.artifacts import Columns
from stages.train import serving
from tests.train.test_serving import SPECIAL, WORDS, network
columns = Columns([*SPECIAL, *WORDS], sys.argv[2])
artifacts.write_serving(serving.saved_model(network(len(columns.words), [16, 16]), columns))
"""


@pytest.mark.parametrize("tokenizer", ["keras", "unicode"])
def test_the_files_are_the_same_from_every_process_and_load_anywhere(tmp_path: Path, tokenizer: str) -> None:
    digests = []
    for seed, before in (("0", "0"), ("1", "9")):
        folder = tmp_path / f"run {seed}"
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", EXPORT, before, tokenizer],
            cwd=folder, check=True, capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        )  # fmt: skip
        files = sorted(path for path in (folder / artifacts.SERVING).rglob("*") if path.is_file())
        assert [path.name for path in files] == ["saved_model.pb"]
        digests.append(hashlib.sha256(files[0].read_bytes()).hexdigest())
        for place in (str(ROOT), str(tmp_path), sys.prefix):
            assert place.encode() not in files[0].read_bytes()
    assert digests[0] == digests[1]

    code = (
        "import sys, tensorflow as tf; m = tf.saved_model.load(sys.argv[1]).signatures['serving_default']; "
        "print(float(m(text=tf.constant(['the film']))['probability'][0]))"
    )
    alone = subprocess.run(
        [sys.executable, "-P", "-c", code, folder / artifacts.SERVING],
        cwd=tmp_path, check=True, capture_output=True, text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    columns = Columns([*SPECIAL, *WORDS], tokenizer)
    answer = expected(network(len(columns.words), [16, 16]), columns, ["the film"])[0]
    assert float(alone.stdout) == pytest.approx(answer, abs=1e-6)
