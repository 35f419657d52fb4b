"""Slices: how good the network is on parts of the test split, such as long reviews or the reviews of one rating."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from stages.console import one_line
from stages.contracts.reviews import read_reviews
from stages.encoding import vocabulary
from stages.evaluate import charts
from stages.evaluate.metrics import expected_calibration_error
from stages.evaluate.predictions import Predictions

FEW = 100
"""With fewer rows, the interval of a slice is wider than 12 percentage points at an accuracy of 0.88."""
MOST = 20
"""The number of values that a column is sliced by, the most frequent ones. Other values share a slice."""
_WORDS = ("0 to 10", "11 to 25", "26 to 50", "51 to 100", "101 to 200", "201 to 400", "401 to 800", "801 or more")
_SHARES = (0, 0.02, 0.05, 0.1, 0.2, 1)
_CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1)


def table(predictions: Predictions, num_word_columns: int, details: pd.DataFrame) -> pd.DataFrame:
    """Measure the predictions in each slice of the test split.

    Reviews are sliced by their number of words, by the share of unknown words (`unknown words`), by confidence, which
    is the probability of the likelier label, and by the columns of `details`, such as the rating of aclimdb, and the
    file and the columns `data.files.slices` of your own reviews.

    Args:
        predictions: of the whole test split.
        num_word_columns: the number of columns before the first n-gram.
        details: what else is known of each row, from `stages.contracts.reviews.read_details`.

    Returns:
        A row per slice: `slice` (its name), `rows`, `accuracy` with its 95 % Wilson score interval from `low` to
        `high` (Wilson: Probable inference, the law of succession, and statistical inference, 1927), `positive_share`,
        `mean_probability`, `calibration_error`, and `enough_rows`, which is 0 below `FEW` rows. The worst slice comes
        first, those with few rows come after the others, and those by confidence come last.
    """
    words, unknown = _words(num_word_columns)
    probabilities = predictions.probabilities.astype(np.float64)
    groups: dict[str, Any] = {
        "words": pd.cut(words, [-1, 10, 25, 50, 100, 200, 400, 800, np.inf], labels=_WORDS),
        "unknown words": _cut(unknown, _SHARES),
        charts.CONFIDENCE: _cut(np.maximum(probabilities, 1 - probabilities), _CONFIDENCES),
        **{name: _frequent(details[name]) for name in map(str, details) if name != "row"},
    }
    rows = pd.DataFrame(
        {"label": predictions.labels, "probability": predictions.probabilities, "right": predictions.right}
    )
    found = [
        {"slice": f"{name}: {one_line(value)}", **_measure(some)}
        for name, group in groups.items()
        for value, some in rows.groupby(group, observed=True)
    ]
    made = pd.DataFrame(found).assign(enough_rows=lambda each: (each["rows"] >= FEW).astype(int))
    made = made.sort_values(["enough_rows", "accuracy"], ascending=[False, True], kind="stable")
    return made.iloc[charts.by_confidence(made).argsort(kind="stable")].reset_index(drop=True)


def worst(slices: pd.DataFrame) -> dict[str, Any] | None:
    """Return name, rows and accuracy of the worst slice with enough rows, or None if no slice has `FEW` rows.

    Slices by confidence do not count: that the least confident answers are the worst holds for any good network.
    """
    enough = slices[(slices["enough_rows"] == 1) & ~charts.by_confidence(slices)]
    if enough.empty:
        return None
    first = enough.iloc[0]
    return {"slice": first["slice"], "rows": int(first["rows"]), "accuracy": round(float(first["accuracy"]), 6)}


def _words(num_word_columns: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the number of words of each test review, and the share of them that have no column, both (rows,).

    Only words with a rank count, which are those of the training split: the tokenizers drop all others from the test
    split. So a word without a column is one that is in the training split, but not among its most frequent words. A
    review without words has the share 0.
    """
    counts, unknown = [], []
    for batch in read_reviews("test", 1000):
        rare = vocabulary.columns(batch.tokens, num_word_columns) == vocabulary.UNKNOWN
        counts.append(np.diff(batch.offsets))
        unknown.append(np.diff(np.append(0, np.cumsum(rare))[batch.offsets]))
    count = np.concatenate(counts).astype(np.int64)
    return count, np.concatenate(unknown) / np.maximum(count, 1)


def _cut(values: NDArray[np.float64], edges: tuple[float, ...]) -> pd.Categorical:
    """Return the range of each value. The upper edge belongs to a range, and the lowest edge to the first one."""
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return pd.cut(values, edges, labels=names, include_lowest=True)


def _frequent(values: pd.Series) -> pd.Series:
    """Return the most frequent values as they are, and one name for all others."""
    values = values.astype("string").fillna("no value")
    counts = values.value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    return values.where(values.isin(counts.index[:MOST]), f"{len(counts) - MOST:,} other values")


def _measure(rows: pd.DataFrame) -> dict[str, float]:
    labels, probabilities, right = rows["label"].to_numpy(), rows["probability"].to_numpy(), int(rows["right"].sum())
    low, high = binomtest(right, len(rows)).proportion_ci(method="wilson")
    return {
        "rows": len(rows),
        "accuracy": right / len(rows),
        "low": low,
        "high": high,
        "positive_share": float(labels.mean(dtype=np.float64)),
        "mean_probability": float(probabilities.mean(dtype=np.float64)),
        "calibration_error": expected_calibration_error(labels, probabilities),
    }
