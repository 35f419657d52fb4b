"""Metrics agree with scikit-learn, and bootstrap resamples with rows that are actually repeated."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from stages.console import UserError
from stages.contracts.reviews import Source
from stages.evaluate import bootstrap, metrics
from stages.evaluate.predictions import Predictions
from tests.conftest import example_history


def example(rows: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Labels, and probabilities that have to do with them; one in ten is rounded, so that many are the same."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(rows) < 0.4).astype(np.float32)
    probabilities = 1 / (1 + np.exp(-generator.normal(2 * labels - 1, 1.5)))
    rounded = generator.random(rows) < 0.1
    return labels, np.where(rounded, probabilities.round(1), probabilities).astype(np.float32)


def cross_entropy(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return -np.where(labels == 1, np.log(clipped), np.log(1 - clipped))


def predictions(labels: NDArray[np.float32], probabilities: NDArray[np.float32], threshold: float = 0.5) -> Predictions:
    return Predictions(labels, probabilities, cross_entropy(labels, probabilities), threshold)


def by_scikit_learn(
    labels: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    weights: NDArray[np.int64] | None = None,
    threshold: float = 0.5,
) -> dict[str, float]:
    """The same metrics, of repeated rows."""
    if weights is not None:
        labels, probabilities = np.repeat(labels, weights), np.repeat(probabilities, weights)
    positive = probabilities > threshold
    share, mean = calibration_curve(labels, probabilities, n_bins=10)
    rows = np.bincount(np.digitize(probabilities, np.linspace(0, 1, 11)[1:-1], right=True), minlength=10)
    return {
        "loss": sklearn_metrics.log_loss(labels, np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)),
        "binary_accuracy": sklearn_metrics.accuracy_score(labels, positive),
        "precision": sklearn_metrics.precision_score(labels, positive),
        "recall": sklearn_metrics.recall_score(labels, positive),
        "f1": sklearn_metrics.f1_score(labels, positive),
        "roc_auc": sklearn_metrics.roc_auc_score(labels, probabilities),
        "average_precision": sklearn_metrics.average_precision_score(labels, probabilities),
        "brier_score": sklearn_metrics.brier_score_loss(labels, probabilities),
        "expected_calibration_error": float((rows[rows > 0] * np.abs(share - mean)).sum() / len(labels)),
    }


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_metrics_are_those_of_scikit_learn(threshold: float) -> None:
    labels, probabilities = example(400)
    probabilities[0] = threshold = float(np.float32(threshold))  # a row at the threshold is predicted negative
    found = metrics.measure(predictions(labels, probabilities, threshold))
    assert found == pytest.approx(by_scikit_learn(labels, probabilities, threshold=threshold), abs=1e-6)


def test_the_summary_has_the_validation_metrics_of_the_best_epoch() -> None:
    history = example_history(0.5, 0.25, 0.75).assign(val_binary_accuracy=[0.7, 0.8, 0.9])
    source = Source("made up", "keras", 30, 20, "0" * 64)
    found = metrics.summary(source, 10, history, 0.5, {"loss": 1 / 3}, {"loss": bootstrap.Interval(0.3, 2 / 3)}, None)
    assert found["validation"] == {"best_epoch": 2, "loss": 0.25, "binary_accuracy": 0.8}
    assert (found["test"], found["test_interval"]) == ({"loss": 0.333333}, {"loss": [0.3, 0.666667]})
    assert "worst_slice" not in found


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_a_resample_has_the_metrics_of_scikit_learn_on_repeated_rows(threshold: float) -> None:
    labels, probabilities = example(400)
    order = np.argsort(-probabilities, kind="stable")
    labels, probabilities = labels[order], probabilities[order]
    sums = bootstrap.Sums(predictions(labels, probabilities, threshold))
    for seed in range(20):
        weights = np.bincount(np.random.default_rng(seed).integers(0, 400, 400), minlength=400)
        figures = sums.measure(weights.astype(np.float64))
        assert figures == pytest.approx(by_scikit_learn(labels, probabilities, weights, threshold), abs=1e-6)


def test_intervals_contain_the_metric_and_get_narrower_with_more_rows() -> None:
    widths = []
    for rows in (500, 8000):
        predicted = predictions(*example(rows))
        figures = metrics.measure(predicted)
        intervals = bootstrap.intervals(predicted, figures)
        assert intervals == bootstrap.intervals(predicted, figures)  # the same each time
        for name, (low, high) in intervals.items():
            assert low <= figures[name] <= high
        widths.append(intervals["binary_accuracy"].high - intervals["binary_accuracy"].low)
        # Of an accuracy a the standard error is known: sqrt(a (1 - a) / rows).
        error = np.sqrt(figures["binary_accuracy"] * (1 - figures["binary_accuracy"]) / rows)
        assert widths[-1] == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert widths[0] > 3 * widths[1]


def test_differences_are_those_of_both_networks_on_the_same_repeated_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 60)
    rows, thresholds = 500, (0.5, 0.3)
    labels, first = example(rows)
    second = np.clip(first + np.random.default_rng(5).normal(0, 0.15, rows), 0.01, 0.99).astype(np.float32)
    generator = np.random.default_rng(1)
    explicit = []
    for _ in range(60):
        drawn = generator.integers(0, rows, rows)
        old, new = (
            by_scikit_learn(labels[drawn], probabilities[drawn], threshold=threshold)
            for probabilities, threshold in zip((first, second), thresholds, strict=True)
        )
        explicit.append({name: new[name] - old[name] for name in old})
    before, after = (
        bootstrap.Sums(predictions(labels, probabilities, threshold))
        for probabilities, threshold in zip((first, second), thresholds, strict=True)
    )
    found = bootstrap.differences(before, after)
    assert set(found) == set(explicit[0])
    for name, ends in found.items():
        assert ends == pytest.approx(np.quantile([each[name] for each in explicit], [0.025, 0.975]), abs=1e-6)
    assert all(ends == (0, 0) for ends in bootstrap.differences(before, before).values())


def test_the_interval_of_a_well_calibrated_network_contains_its_calibration_error() -> None:
    generator = np.random.default_rng(3)
    probabilities = generator.random(2000).astype(np.float32)
    labels = (generator.random(2000) < probabilities).astype(np.float32)
    predicted = predictions(labels, probabilities)
    figures = metrics.measure(predicted)
    low, high = bootstrap.intervals(predicted, figures)["expected_calibration_error"]
    assert low <= figures["expected_calibration_error"] <= high


def test_a_test_split_of_one_class_is_an_error() -> None:
    with pytest.raises(UserError, match="only positive reviews"):
        metrics.measure(predictions(np.ones(3, np.float32), np.full(3, 0.7, np.float32)))
