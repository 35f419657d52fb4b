"""Top words and example reviews, compared with simple loops."""

import numpy as np
import pandas as pd
import scipy.sparse

from stages.contracts.reviews import Reviews
from stages.encoding import multi_hot
from stages.evaluate import examples
from stages.evaluate.examples import Word, WordEffect
from tests.evaluate.test_metrics import predictions

WORDS = ["the", "film", "good", "bad", "odd", "rare"]
COLUMNS = ["<padding>", "<start>", "<unknown>", "<unused>", "the", "film", "good", "bad"]


def made(*texts: str) -> Reviews:
    tokens = [[WORDS.index(word) + 1 for word in text.split()] for text in texts]
    offsets = np.cumsum([0, *map(len, tokens)]).astype(np.int32)
    return Reviews(np.concatenate(tokens).astype(np.int32), offsets, np.zeros(len(texts), np.uint8))


def test_top_words_are_ranked_by_their_mean_effect_over_the_reviews_that_contain_them() -> None:
    generator = np.random.default_rng(1)
    matrix = scipy.sparse.csr_matrix((generator.random((200, 60)) < generator.random(60) * 0.3).astype(np.float32))
    effects = generator.normal(size=matrix.nnz)
    words = [f"word{column}" for column in range(60)]
    entries: dict[int, list[float]] = {}
    for column, fall in zip(matrix.indices, effects, strict=True):
        entries.setdefault(int(column), []).append(float(fall))
    means = [(np.mean(each), column) for column, each in entries.items() if len(each) >= 20 and column > 3]
    shown = examples.top_words(matrix, effects, words)
    for word in [*shown.positive, *shown.negative]:
        column = words.index(word.word)
        assert word.reviews == len(entries[column])
        assert np.isclose(word.log_odds, np.mean(entries[column]))
    ranked = [f"word{column}" for mean, column in sorted(means)]
    assert [word.word for word in shown.negative] == ranked[:15]
    assert [word.word for word in shown.positive] == ranked[:-16:-1]
    assert shown.rows == 200


def test_words_with_the_other_sign_or_in_few_reviews_are_not_listed() -> None:
    some = multi_hot.encode(made(*["the good"] * 20, *["the bad"] * 19), len(COLUMNS)).matrix
    effects = np.where(some.indices == COLUMNS.index("good"), 0.5, 0.0)
    effects[some.indices == COLUMNS.index("bad")] = -9
    shown = examples.top_words(some, effects, COLUMNS)
    assert shown.positive == [WordEffect("good", 0.5, 20)]
    assert shown.negative == []


def test_examples_are_chosen_by_answer_and_confidence() -> None:
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 0], np.float32)
    given = np.array([0.8, 0.99, 0.95, 0.01, 0.02, 0.1, 0.97, 0.52, 0.47, 0.03], np.float32)
    chosen = {title: rows.tolist() for title, rows in examples.choose_rows(predictions(labels, given)).items()}
    assert chosen == {
        "The surest right answers": [1, 2, 4, 9],
        "The surest mistakes": [6, 7, 3, 8],
        "The most doubtful": [7, 8, 0],
    }
    chosen = {title: rows.tolist() for title, rows in examples.choose_rows(predictions(labels, given, 0.9)).items()}
    assert chosen == {
        "The surest right answers": [1, 2, 4, 9],
        "The surest mistakes": [6, 3, 8],
        "The most doubtful": [2, 6, 1],
    }


def test_one_right_row_fills_only_the_lists_that_it_fits() -> None:
    chosen = examples.choose_rows(predictions(np.ones(1, np.float32), np.ones(1, np.float32)))
    assert [rows.tolist() for rows in chosen.values()] == [[0], [], [0]]


DETAILS = pd.DataFrame({"file": ["pos/1.txt", "a.csv", "a.csv"], "row": [0, 999, 1000]})


def test_words_are_in_reading_order_with_their_marks() -> None:
    predicted = predictions(np.array([0, 1, 0], np.float32), np.array([0.25, 0.5, 0.75], np.float32))
    effects = {"the": 0.001, "film": -0.25, "good": 1.5}
    first = examples.describe(2, ["good", "film", "odd", "the", "good"], effects, predicted, DETAILS)
    good, film, bad = Word("good", 1.5), Word("film", -0.25), Word("bad", -2)
    assert first.words == [good, film, Word("odd"), Word("the"), good]
    assert first.strongest == [good, film]
    assert (first.row, first.positive, first.probability, first.left_out) == (2, False, 0.75, 0)
    second = examples.describe(0, ["bad", "the", "bad"], {"the": 0.001, "bad": -2}, predicted, DETAILS)
    assert (second.row, second.words, second.strongest) == (0, [bad, Word("the"), bad], [bad])
    assert (first.place, second.place) == ("a.csv, row 1,000", "pos/1.txt")


def test_all_words_of_an_n_gram_are_marked() -> None:
    predicted = predictions(np.zeros(1, np.float32), np.zeros(1, np.float32))
    effects = {"the": 0.0, "film": 0.25, "good": 0.0, "the film": -1.5}
    shown = examples.describe(0, ["the", "film", "the", "good", "film"], effects, predicted, DETAILS)
    assert [word.log_odds for word in shown.words] == [-1.5, -1.5, 0, 0, 0.25]
    assert shown.strongest == [Word("the film", -1.5), Word("film", 0.25)]


def test_a_long_review_is_cut_in_the_report() -> None:
    predicted = predictions(np.zeros(1, np.float32), np.zeros(1, np.float32))
    shown = examples.describe(0, ["the"] * 5000, {}, predicted, DETAILS)
    assert (len(shown.words), shown.left_out) == (1000, 4000)
