"""Multi-hot rows agree with the loop of the notebook on Keras's encoding."""

import numpy as np
import pytest
import scipy.sparse

from stages.contracts.reviews import Reviews
from stages.encoding import multi_hot, vocabulary
from tests.conftest import random_reviews, token_lists


def vectorize_sequences(sequences: list[list[int]] | np.ndarray, columns: int) -> np.ndarray:
    """Encode as the notebook does."""
    results = np.zeros((len(sequences), columns))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1.0
    return results


def keras_sequences(reviews: Reviews, num_words: int) -> list[list[int]]:
    """What keras.datasets.imdb.load_data returns for lists of ranks: start_char=1, oov_char=2, index_from=3."""
    return [[1] + [w + 3 if w + 3 < num_words else 2 for w in tokens] for tokens in token_lists(reviews)]


@pytest.mark.parametrize(("rows", "columns"), [(1, 5), (5000, 300), (300, 1000)])
def test_rows_equal_those_of_the_notebook(rows: int, columns: int) -> None:
    reviews = random_reviews(rows, words=990, seed=rows)
    features = multi_hot.encode(reviews, columns)
    dense = vectorize_sequences(keras_sequences(reviews, columns), columns)
    np.testing.assert_array_equal(features.matrix.toarray(), dense)
    np.testing.assert_array_equal(features.labels, reviews.labels)


def test_the_matrix_is_canonical_float32_csr() -> None:
    features = multi_hot.encode(random_reviews(3000, words=500, seed=7), 400)
    matrix = features.matrix
    assert matrix.format == "csr"
    # A matrix made anew from the arrays has SciPy look for itself.
    assert scipy.sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), matrix.shape).has_canonical_format
    assert matrix.dtype == np.float32
    assert features.labels.dtype == np.float32
    assert set(matrix.data) == {1.0}


def test_an_empty_review_has_only_the_start_column() -> None:
    reviews = Reviews(np.array([5], np.int32), np.array([0, 0, 1, 1], np.int32), np.array([0, 1, 0], np.uint8))
    np.testing.assert_array_equal(multi_hot.encode(reviews, 10).matrix.nonzero(), [[0, 1, 1, 2], [1, 1, 8, 1]])


def test_there_are_no_more_columns_than_words() -> None:
    special = ["<padding>", "<start>", "<unknown>", "<unused>"]
    assert vocabulary.column_words(["the", "a"], 10_000) == [*special, "the", "a"]
    assert vocabulary.column_words(["the", "a"], 5) == [*special, "the"]
