"""The stages on corpora in scripts without spaces, where the order of two characters decides the class."""

import csv
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from stages.contracts.features import read_columns
from stages.contracts.model import MODEL
from stages.download import __main__ as download
from stages.evaluate import __main__ as evaluate
from stages.evaluate.results import PREDICTIONS
from stages.train import __main__ as train
from stages.vectorize import __main__ as vectorize
from tests.conftest import all_features, write_params

SCRIPTS = {"Chinese": "电影故事演员导演音乐真的", "Thai": "กขคงจฉชซ"}
"""Characters of each script."""
CHANGES: dict[str, dict[str, object]] = {
    "data": {"sources": ["files"], "tokenizer": "unicode", "files": {"folder": ".", "test_share": 0.25}},
    "vectorize": {"num_words": None, "ngrams": 2, "min_count": 2},
    "train": {
        "weighting": "log_ratio", "hidden_units": [8], "optimizer": "nadam", "learning_rate": 0.02,
        "batch_size": 64, "holdout_rows": 100, "holdout_epochs": 2, "epochs": 5,
    },
}  # fmt: skip


def corpus(characters: str) -> list[tuple[str, str]]:
    """Reviews of ten characters. The first two characters stand in the order of the class, with one in between."""
    generator = np.random.default_rng(1)
    first, then, *others = dict.fromkeys(characters)
    reviews = []
    for row in range(600):
        pair = (first + then, "pos") if row % 2 else (then + first, "neg")
        reviews.append(("".join([*generator.choice(others, 4), pair[0], *generator.choice(others, 4)]), pair[1]))
    return reviews


@pytest.mark.parametrize("script", SCRIPTS)
def test_two_characters_are_an_n_gram_and_keras_alone_reads_the_model(folder: Path, script: str) -> None:
    write_params(folder, CHANGES)
    with (folder / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *corpus(SCRIPTS[script])])
    for stage in (download, vectorize, train, evaluate):
        stage.main()

    first, then = list(dict.fromkeys(SCRIPTS[script]))[:2]
    assert {f"{first} {then}", f"{then} {first}"} <= set(read_columns().words)
    predictions = pd.read_parquet(PREDICTIONS)
    assert ((predictions["probability"] > 0.5) == predictions["label"]).mean() > 0.95
    network = keras.models.load_model(MODEL)
    expected = network.predict(all_features("test").matrix.toarray(), verbose=0)[:, 0]
    np.testing.assert_allclose(predictions["probability"], expected, atol=1e-5)
