"""The slices agree with scikit-learn on the predictions and the raw reviews."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from stages.evaluate import slices
from tests.conftest import random_reviews, write_reviews
from tests.evaluate.test_metrics import by_scikit_learn, example, predictions

COLUMNS = 40
ROWS = 3000


def check(found: pd.DataFrame, reviews: pd.DataFrame, columns: int, threshold: float) -> None:
    """Compare slices with what follows from reviews, whose columns are tokens, label, probability, and the details."""
    tokens = reviews["tokens"]
    numbers = {
        "words": tokens.map(len),
        "unknown words": tokens.map(
            lambda ranks: np.mean([rank + 3 >= columns for rank in ranks]) if len(ranks) else 0
        ),
        "confidence": [max(probability, 1 - probability) for probability in reviews["probability"].astype(float)],
    }
    for name, figures in found.set_index("slice").iterrows():
        kind, _, value = str(name).partition(": ")
        if kind in numbers:
            first, _, last = value.partition(" to " if " to " in value else " or ")
            values, low, high = np.array(numbers[kind]), float(first), np.inf if last == "more" else float(last)
            inside = (values <= high) & ((values >= low) if kind == "words" or low in (0, 0.5) else (values > low))
        elif value.endswith("other values"):
            inside = ~reviews[kind].isin(reviews[kind].value_counts().index[:20]).to_numpy()
        else:
            inside = reviews[kind].astype("string").fillna("no value").to_numpy() == value
        some = reviews[inside]
        label, probability = (some[column].to_numpy() for column in ("label", "probability"))
        assert figures["rows"] == len(some)
        assert figures["enough_rows"] == (len(some) >= 100)
        accuracy = accuracy_score(label, probability > threshold)
        assert figures["accuracy"] == pytest.approx(accuracy, abs=1e-4)
        for end in figures[["low", "high"]]:  # the proportions that are 1.96 standard errors of their own away
            error = 1.959964 * np.sqrt(end * (1 - end) / len(some))
            assert abs(end - accuracy) == pytest.approx(error, abs=2e-4 if 0 < end < 1 else 1)
        assert figures["low"] <= figures["accuracy"] <= figures["high"]
        assert figures["positive_share"] == pytest.approx(label.mean(), abs=1e-4)
        assert figures["mean_probability"] == pytest.approx(probability.mean(), abs=1e-4)
        if 0 < label.mean() < 1:
            error = by_scikit_learn(label, probability)["expected_calibration_error"]
            assert figures["calibration_error"] == pytest.approx(error, abs=1e-4)
    for kind in {name.partition(":")[0] for name in found["slice"]}:
        assert found["rows"][found["slice"].str.startswith(f"{kind}: ")].sum() == len(reviews)
    late = found["slice"].str.startswith("confidence")
    order = list(zip(late, -found["enough_rows"], found["accuracy"], strict=True))
    assert order == sorted(order)


def test_slices_agree_with_scikit_learn(folder: Path) -> None:
    given = random_reviews(ROWS, 60, seed=1)
    write_reviews("test", [given], ROWS, 60)
    labels, probabilities = example(ROWS)
    generator = np.random.default_rng(2)
    shop = (30 * generator.random(ROWS) ** 2).astype(int)
    details = pd.DataFrame(
        {
            "rating": generator.integers(1, 10, ROWS),
            "file": np.where(generator.random(ROWS) < 0.01, "few.csv", "many.csv"),
            "row": np.arange(ROWS),
            "batch": np.where(np.arange(ROWS) < 100, "just enough rows", "the rest"),
            "shop": [None if number == 3 else f"shop {number}" for number in shop],
        }
    )
    found = slices.table(predictions(labels, probabilities, 0.3), COLUMNS, details)
    tokens = np.split(given.tokens, given.offsets[1:-1])
    reviews = details.assign(tokens=pd.Series(tokens), label=labels, probability=probabilities)
    check(found, reviews.fillna({"shop": "no value"}), COLUMNS, 0.3)
    names = found["slice"].tolist()
    assert {"rating: 9", "file: few.csv", "shop: no value", "shop: 10 other values", "words: 26 to 50"} <= set(names)
    assert not any(name.startswith("row") for name in names)
    assert found["enough_rows"][names.index("file: few.csv")] == 0

    worst = slices.worst(found)
    assert worst
    others = found[(found["rows"] >= 100) & ~found["slice"].str.contains("confidence")]
    assert worst["accuracy"] == pytest.approx(others["accuracy"].min(), abs=1e-6)
    assert slices.worst(found[found["enough_rows"] == 0]) is None


def test_names_of_slices_have_no_control_characters(folder: Path) -> None:
    write_reviews("test", [random_reviews(9, 60, seed=1)], 9, 60)
    details = pd.DataFrame({"file": ["=cmd()\u202e\x1b[1m\nx"] * 9})
    found = slices.table(predictions(*example(9)), COLUMNS, details)
    assert "file: =cmd()??[1m" in found["slice"].tolist()
