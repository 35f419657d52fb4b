"""The metrics in results/metrics.json."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from stages.console import UserError
from stages.contracts.features import FEATURES
from stages.contracts.model import best_epoch
from stages.contracts.reviews import Source
from stages.evaluate import charts
from stages.evaluate.bootstrap import Interval
from stages.evaluate.predictions import Predictions


def summary(
    source: Source,
    columns: int,
    history: pd.DataFrame,
    threshold: float,
    test: dict[str, float],
    intervals: dict[str, Interval],
    worst_slice: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the content of metrics.json, rounded to six decimals.

    Args:
        source: the source of the reviews.
        columns: the number of columns of the features.
        history: the history of the hold-out run.
        threshold: a row with a higher probability is predicted positive.
        test: the metrics of the final network on the test split, from `measure`.
        intervals: the interval of each of these metrics.
        worst_slice: name, rows and accuracy of the worst slice, if there is one with enough rows.
    """
    epoch = best_epoch(history)
    best = history.set_index("epoch").loc[epoch].to_dict()
    return {
        "source": source.name,
        "rows": {"train": source.train_rows, "test": source.test_rows},
        "columns": columns,
        "validation": {
            "best_epoch": epoch,
            "loss": best["val_loss"],
            "binary_accuracy": best["val_binary_accuracy"],
        },
        "threshold": threshold,
        "test": {name: round(value, 6) for name, value in test.items()},
        **({"worst_slice": worst_slice} if worst_slice else {}),
        # DVC's tables leave lists out. With a column for each end they would be too wide to read.
        "test_interval": {name: [round(end, 6) for end in ends] for name, ends in intervals.items()},
    }


def measure(predictions: Predictions) -> dict[str, float]:
    """Return the metrics of predictions.

    Raises:
        UserError: all rows have the same label, so that most metrics are undefined.
    """
    labels, probabilities, positive = predictions.labels, predictions.probabilities, predictions.positive
    if len(set(labels.tolist())) < 2:
        raise UserError(
            f"{FEATURES / 'test'} holds only {'positive' if labels[0] else 'negative'} reviews; expected both labels: "
            "add test reviews of the other label"
        )
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        labels, positive, average="binary", zero_division=0
    )
    return {
        "loss": float(predictions.loss.mean()),
        "binary_accuracy": sklearn_metrics.accuracy_score(labels, positive),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": sklearn_metrics.roc_auc_score(labels, probabilities),
        "average_precision": sklearn_metrics.average_precision_score(labels, probabilities),
        "brier_score": sklearn_metrics.brier_score_loss(labels, probabilities),
        "expected_calibration_error": expected_calibration_error(labels, probabilities),
    }


def expected_calibration_error(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> float:
    """Return the mean distance between the predicted probability and the share of positive reviews.

    The mean is over bins of equal width, weighted by their rows (Naeini, Cooper, Hauskrecht: Obtaining well calibrated
    probabilities using Bayesian binning, 2015).
    """
    rows, mean, share = charts.calibration_bins(labels, probabilities).T
    return float(np.nansum(rows * np.abs(mean - share)) / len(labels))
