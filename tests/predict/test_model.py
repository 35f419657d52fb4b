"""Answers agree with Keras on dense rows, and texts are encoded as the stages do it."""

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import read_columns
from stages.contracts.model import MODEL, MODEL_COLUMNS, read_threshold, write_model, write_threshold
from stages.download import __main__ as download
from stages.encoding import vocabulary
from stages.inference.network import read
from stages.predict.model import Model
from stages.tables.rows import Row
from stages.vectorize import __main__ as vectorize
from tests.conftest import all_features, write_params
from tests.predict.conftest import COLUMNS, WORDS, made_up


def rows(texts: list[str]) -> list[Row]:
    return [Row(f"text {number}", text) for number, text in enumerate(texts, 1)]


def probabilities(model: Model, texts: list[str]) -> NDArray[np.float32]:
    return np.array([answer.probability for answer in model.answers(rows(texts), explain=False)], np.float32)


def dense(texts: list[str]) -> NDArray[np.float32]:
    """Multi-hot rows from a regular expression: column 1 is always set, column 2 for unknown words."""
    matrix = np.zeros((len(texts), 4 + len(WORDS)), np.float32)
    for row, text in zip(matrix, texts, strict=True):
        row[1] = 1
        for word in re.findall("[a-z0-9']+", text.lower()):
            row[4 + WORDS.index(word) if word in WORDS else 2] = 1
    return matrix


def test_probabilities_agree_with_keras_on_dense_rows(model: Model) -> None:
    texts = made_up(3000)
    expected = keras.models.load_model(MODEL).predict(dense(texts), verbose=0)[:, 0]
    answers = list(model.answers(rows(texts), explain=False))
    np.testing.assert_allclose([answer.probability for answer in answers], expected, atol=1e-6)
    assert expected.min() < 0.1
    assert expected.max() > 0.9
    assert [answer.label for answer in answers] == ["positive" if value > 0.5 else "negative" for value in expected]
    assert [answer.row for answer in answers] == list(range(1, 3001))
    assert [answer.where for answer in answers] == [f"text {number}" for number in range(1, 3001)]
    assert [answer.text for answer in answers] == texts


def test_a_text_is_positive_above_the_threshold(models: Path) -> None:
    """At the threshold it is negative, as in Keras's binary accuracy and the other metrics."""
    network, columns = read(COLUMNS), read_columns(MODEL_COLUMNS)
    (answer,) = Model(network, columns).answers(rows(["word1 word2"]), explain=False)
    labels = []
    for threshold in (np.nextafter(answer.probability, 0), answer.probability):
        write_threshold(float(threshold))
        (again,) = Model(network, columns, read_threshold()).answers(rows(["word1 word2"]), explain=False)
        labels.append(again.label)
    assert labels == ["positive", "negative"]


def test_a_text_has_the_same_probability_alone_and_among_others(model: Model) -> None:
    """Bit for bit, wherever it stands among however many."""
    texts = made_up(150)
    together = probabilities(model, texts)
    one_by_one = np.concatenate([probabilities(model, [text]) for text in texts])
    np.testing.assert_array_equal(together, one_by_one)
    assert len(set(together.tolist())) > 100
    for count in (2, 3, 13, 149):
        np.testing.assert_array_equal(probabilities(model, texts[:count]), together[:count])
    np.testing.assert_array_equal(probabilities(model, texts[::-1] * 20), np.tile(together[::-1], 20))


@pytest.mark.parametrize("tokenizer", ["keras", "unicode"])
def test_texts_are_encoded_as_by_the_stages(folder: Path, tokenizer: str) -> None:
    texts = sorted(
        {*made_up(60), "It's ÁNGELA'S\u00a02nd film_2.<br />Go!", "STRASSE straße \u2019s", "one-off\tword0"}
    )
    data = {"sources": ["files"], "tokenizer": tokenizer, "files": {"folder": ".", "test": "reviews.csv"}}
    write_params(folder, {"data": data, "vectorize": {"num_words": 100}})
    with (folder / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *((text, row % 2) for row, text in enumerate(texts))])
    download.main()
    vectorize.main()
    columns = read_columns()
    network = keras.Sequential([keras.Input((len(columns.words),)), keras.layers.Dense(1, "sigmoid")])
    network.compile("sgd", "binary_crossentropy")
    write_model(network, columns)
    encoded = Model(read(columns), columns).encode(texts).matrix
    assert encoded.has_sorted_indices
    expected = all_features("test").matrix  # the same file as train's, in its order
    np.testing.assert_array_equal(encoded.toarray(), expected.toarray())
    assert columns.tokenizer == tokenizer
    assert len(columns.words) == 100
    assert encoded[:, vocabulary.UNKNOWN].nnz > 10


def test_unknown_words_share_a_column_and_texts_without_a_known_word_are_marked(model: Model) -> None:
    texts = ["never seen", "seen never, never", "!!!", "word0", "word5 seen"]
    answers = list(model.answers(rows(texts), explain=False))
    assert [answer.known for answer in answers] == [False, False, False, True, True]
    assert answers[0].probability == answers[1].probability != answers[2].probability
    matrix = model.encode(texts).matrix
    assert [matrix[row].indices.tolist() for row in range(5)] == [[1, 2], [1, 2], [1], [1, 4], [1, 2, 9]]


def test_contributions_are_differences_of_log_odds(model: Model) -> None:
    """Keras predicts dense rows, each without one column."""
    network = keras.models.load_model(MODEL)
    texts = made_up(300)
    for text, answer in list(zip(texts, model.answers(rows(texts), explain=True), strict=True))[::50]:
        row = dense([text])
        columns = np.flatnonzero(row[0])
        without = np.repeat(row, len(columns), axis=0)
        without[range(len(columns)), columns] = 0
        whole, *rest = network.predict(np.concatenate([row, without]), verbose=0)[:, 0].astype(np.float64)
        falls = np.log(whole / (1 - whole)) - np.log(np.array(rest) / (1 - np.array(rest)))
        expected = dict(zip([COLUMNS.words[column] for column in columns], falls.tolist(), strict=True))
        del expected["<start>"]
        assert answer.contributions is not None
        assert answer.contributions == pytest.approx(expected, abs=1e-3)
        assert list(answer.contributions.values()) == sorted(answer.contributions.values(), reverse=True)
        assert max(map(abs, expected.values())) > 0.1


@pytest.mark.parametrize("length", [6, 10**6])
def test_only_a_few_rows_are_read_ahead(model: Model, length: int) -> None:
    taken = itertools.count()

    def endless() -> Iterator[Row]:
        while True:
            next(taken)
            yield Row("here", ("word1 " * (length // 6))[:length])

    answers = model.answers(endless(), explain=False)
    assert len({answer.probability for answer in itertools.islice(answers, 3)}) == 1
    assert next(taken) * length < 10**7


def test_rows_before_an_unreadable_row_are_answered(model: Model) -> None:
    def broken() -> Iterator[Row]:
        yield Row("line 1", "word1")
        raise UserError("line 2 is empty")

    answers = model.answers(broken(), explain=False)
    assert next(answers).where == "line 1"
    with pytest.raises(UserError, match="line 2 is empty"):
        next(answers)
