"""The stages on Chinese reviews, without spaces, in which the order of two characters decides the class."""

import csv
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from stages.contracts.features import read_columns
from stages.contracts.model import MODEL
from stages.evaluate.results import PREDICTIONS
from tests.conftest import all_features, run_stage, write_params

FIRST, THEN, *OTHERS = [*"电影故事演员导演音乐真的"]
CHANGES: dict[str, dict[str, object]] = {
    "data": {"sources": ["files"], "tokenizer": "unicode", "files": {"folder": ".", "test_share": 0.25}},
    "vectorize": {"num_words": None, "ngrams": 2, "min_count": 2},
    "train": {
        "weighting": "log_ratio", "hidden_units": [8], "optimizer": "nadam", "learning_rate": 0.02,
        "batch_size": 64, "holdout_rows": 100, "holdout_epochs": 2, "epochs": 5,
    },
}  # fmt: skip


def corpus() -> list[tuple[str, str]]:
    """Reviews of ten characters, two of which are in the order of the class."""
    generator = np.random.default_rng(1)
    reviews = []
    for row in range(600):
        pair, label = (FIRST + THEN, "pos") if row % 2 else (THEN + FIRST, "neg")
        reviews.append(("".join([*generator.choice(OTHERS, 4), pair, *generator.choice(OTHERS, 4)]), label))
    return reviews


def test_two_characters_are_an_n_gram_and_keras_alone_reads_the_model(folder: Path) -> None:
    write_params(folder, CHANGES)
    with (folder / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *corpus()])
    for stage in ("download", "vectorize", "train", "evaluate"):
        run_stage(stage, folder)

    assert {f"{FIRST} {THEN}", f"{THEN} {FIRST}"} <= set(read_columns().words)
    predictions = pd.read_parquet(PREDICTIONS)
    assert ((predictions["probability"] > 0.5) == predictions["label"]).mean() > 0.95
    network = keras.models.load_model(MODEL)
    expected = network.predict(all_features("test").matrix.toarray(), verbose=0)[:, 0]
    np.testing.assert_allclose(predictions["probability"], expected, atol=1e-5)
