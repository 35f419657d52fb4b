"""Bootstrap confidence intervals of the test metrics: 95 % percentile intervals.

Each resample draws the rows with replacement (Efron and Tibshirani: An introduction to the bootstrap, 1993, chapter
13). A resample is a weight for each row, the number of times that the row was drawn. So all metrics are sums of
weights, and 1,000 resamples of 25,000 rows take half a second.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.evaluate import charts
from stages.evaluate.predictions import Predictions

RESAMPLES = 1000
_SEED = 1
_LEVEL = 0.95


class Interval(NamedTuple):
    """The interval of a metric."""

    low: float
    high: float


def intervals(predictions: Predictions, values: dict[str, float]) -> dict[str, Interval]:
    """Return the interval of each metric, given the values that `stages.evaluate.metrics.measure` computes.

    An interval always contains the metric itself. Without this rule, the calibration error of a well calibrated network
    could be below its interval, because resampling adds noise to it.
    """
    sums = Sums(predictions)
    samples = [sums.measure(weights) for weights in _resamples(len(predictions))]
    found = {}
    for name, value in values.items():
        low, high = _middle(samples, name)
        found[name] = Interval(min(low, value), max(high, value))
    return found


def differences(before: "Sums", after: "Sums") -> dict[str, Interval]:
    """Return the interval of each metric's difference between two networks that predicted the same rows.

    Both networks are measured on the same resamples. So what makes a resample easy for both of them cancels out.
    """
    samples = []
    for weights in _resamples(len(before.order)):
        old, new = (sums.measure(weights[sums.order]) for sums in (before, after))
        samples.append({name: new[name] - old[name] for name in old})
    return {name: Interval(*_middle(samples, name)) for name in samples[0]}


def _resamples(rows: int) -> Iterator[NDArray[np.float64]]:
    """Yield the weights of each resample, (rows,)."""
    generator = np.random.default_rng(_SEED)
    for _ in range(RESAMPLES):
        yield np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64)


def _middle(samples: list[dict[str, float]], name: str) -> tuple[float, float]:
    """Return the two values of a metric between which `_LEVEL` of the samples are."""
    low, high = np.nanquantile([sample[name] for sample in samples], ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    return float(low), float(high)


class Sums:
    """The terms of all metrics, one column per sum."""

    order: NDArray[np.int64]
    """(rows,) int64 row numbers, in order of decreasing probability."""

    def __init__(self, predictions: Predictions) -> None:
        self.order = np.argsort(-predictions.probabilities, kind="stable")
        loss, probabilities = predictions.loss[self.order], predictions.probabilities[self.order]
        self._labels = predictions.labels[self.order].astype(np.float64)
        positive = predictions.positive[self.order].astype(np.float64)
        gap = self._labels - probabilities
        bins = charts.bin_of(probabilities, charts.CALIBRATION_BINS) == np.arange(charts.CALIBRATION_BINS)[:, None]
        self._columns = np.stack([loss, gap**2, self._labels, positive, self._labels * positive, *(gap * bins)])
        # Rows with equal probability count together. This is the last row of each group.
        self._ends = np.append(np.flatnonzero(np.diff(probabilities)), len(probabilities) - 1)

    def measure(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """Return the metrics of a resample, given the weight of each row in the order of `order`, (rows,)."""
        total = len(weights)
        # einsum, because the threads of BLAS make products of this size slower.
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
        """Return the metrics that rank rows, as scikit-learn defines them. They are NaN if a class is missing."""
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
