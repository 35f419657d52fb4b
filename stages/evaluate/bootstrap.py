"""How far the test metrics would move with other test reviews: 95 % percentile intervals of a bootstrap.

Each resample draws as many rows as there are, with replacement (Efron and Tibshirani: An introduction to the bootstrap,
1993, chapter 13). A row that is drawn twice weighs two, so that all metrics are a few sums of weights: a thousand
resamples of 25,000 rows take half a second.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.evaluate import charts

RESAMPLES = 1000
_SEED = 1
_LEVEL = 0.95


class Interval(NamedTuple):
    """Where a metric lies."""

    low: float
    high: float


def intervals(
    loss: NDArray[np.float64],
    labels: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    values: dict[str, float],
) -> dict[str, Interval]:
    """The interval of each metric, as `stages.evaluate.metrics.measure` computes them.

    An interval is stretched to its metric where that lies outside, as the calibration error of a well calibrated
    network can: chance only ever adds to it, twice in a resample.

    Args:
        loss: (rows,) the loss of each.
        labels: (rows,) 0 or 1.
        probabilities: (rows,).
        values: the metrics, by name.
    """
    order = np.argsort(-probabilities, kind="stable")
    sums = _Sums(loss[order], labels[order].astype(np.float64), probabilities[order])
    generator, rows = np.random.default_rng(_SEED), len(labels)
    drawn = (np.bincount(generator.integers(0, rows, rows), minlength=rows) for _ in range(RESAMPLES))
    samples = [sums.measure(weights.astype(np.float64)) for weights in drawn]
    found = {}
    for name, value in values.items():
        low, high = np.nanquantile([sample[name] for sample in samples], ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
        found[name] = Interval(min(float(low), value), max(float(high), value))
    return found


class _Sums:
    """What the metrics of weighted rows are made of; rows come in order of falling probability."""

    def __init__(
        self, loss: NDArray[np.float64], labels: NDArray[np.float64], probabilities: NDArray[np.float32]
    ) -> None:
        positive = (probabilities > 0.5).astype(np.float64)
        gap = labels - probabilities
        bins = charts.bin_of(probabilities, charts.CALIBRATION_BINS) == np.arange(charts.CALIBRATION_BINS)[:, None]
        self._columns = np.stack([loss, gap**2, labels, positive, labels * positive, *(gap * bins)])
        self._labels = labels
        # Rows of one probability count together: these are where such a run ends.
        self._ends = np.append(np.flatnonzero(np.diff(probabilities)), len(labels) - 1)

    def measure(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """Every metric of one resample, from the weights of its rows, (rows,)."""
        total = len(weights)
        # Not by BLAS, whose threads make products as small as these slower.
        loss, squares, actual, positive, both, *gaps = np.einsum("ij,j->i", self._columns, weights)
        return {
            "loss": loss / total,
            "binary_accuracy": (total - actual - positive + 2 * both) / total,
            "precision": both / max(positive, 1),
            "recall": both / max(actual, 1),
            "f1": 2 * both / max(positive + actual, 1),
            "brier_score": squares / total,
            "expected_calibration_error": np.abs(gaps).sum() / total,
            **self._ranked(weights, actual),
        }

    def _ranked(self, weights: NDArray[np.float64], actual: float) -> dict[str, float]:
        """The metrics that compare probabilities, as scikit-learn defines them; NaN where a class is missing."""
        if not 0 < actual < len(weights):
            return {"roc_auc": np.nan, "average_precision": np.nan}
        true = np.cumsum(weights * self._labels)[self._ends]
        taken = np.cumsum(weights)[self._ends]
        true_more, taken_more = np.diff(true, prepend=0), np.diff(taken, prepend=0)
        area = np.einsum("i,i->", taken_more - true_more, true - true_more / 2)
        return {
            "roc_auc": area / (actual * (len(weights) - actual)),
            "average_precision": np.einsum("i,i->", true_more, true / np.maximum(taken, 1)) / actual,
        }
