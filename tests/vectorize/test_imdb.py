"""All of IMDB, as vectorized here, against Keras's own loader and the notebook's loop."""

import hashlib
from pathlib import Path

import keras.src.datasets.imdb as keras_imdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from stages.contracts.features import FEATURES
from stages.contracts.reviews import SPLITS, read_reviews, read_vocabulary
from tests.conftest import all_features
from tests.encoding.test_multi_hot import vectorize_sequences

BLOCK = 1000

Split = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def notebook(imdb_mirror: str) -> dict[str, Split]:
    """keras.datasets.imdb.load_data(num_words=10000), reading the same file."""
    path = Path(imdb_mirror.partition("#")[0]) / "imdb.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras_imdb, "get_file", lambda *_, **__: str(path))
        train, test = keras_imdb.load_data(num_words=10_000)
    return {"train": train, "test": test}


@pytest.mark.parametrize("split", SPLITS)
def test_every_cell_and_label_equals_that_of_the_notebook(imdb: Path, notebook: dict[str, Split], split: str) -> None:
    sequences, labels = notebook[split]
    features = all_features(split)
    assert features.matrix.shape == (25_000, 10_000)
    np.testing.assert_array_equal(features.labels, labels)
    for start in range(0, len(sequences), BLOCK):
        dense = vectorize_sequences(sequences[start : start + BLOCK], 10_000)
        np.testing.assert_array_equal(features.matrix[start : start + BLOCK].toarray(), dense)


def test_the_first_training_review_decodes_to_the_known_words(imdb: Path, notebook: dict[str, Split]) -> None:
    reviews = next(read_reviews("train", 1))
    words = read_vocabulary()
    # The published encoding of the first row, which starts with column 1, the start of the review.
    assert [1, *reviews.tokens[:6] + 3] == [1, 14, 22, 16, 43, 530, 973]
    assert reviews.labels[0] == 1
    decoded = [words[token - 1] for token in reviews.tokens[:17]]
    # The sentence in the house's plan, as a digest: what people wrote is not for committing.
    digest = "f3d2361600167c67afdeecdc0fc1196438483e16d1a6cc1cc71ee5f176491ef5"
    assert hashlib.sha256(" ".join(decoded).encode()).hexdigest() == digest
    columns = pq.read_table(FEATURES / "columns.parquet").column("word").to_pylist()
    assert [columns[token + 3] for token in reviews.tokens[:6]] == decoded[:6]
