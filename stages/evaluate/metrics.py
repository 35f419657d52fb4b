"""The numbers of results/metrics.json."""

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


def summary(
    source: Source,
    columns: int,
    history: pd.DataFrame,
    test: dict[str, float],
    intervals: dict[str, Interval],
) -> dict[str, Any]:
    """All of metrics.json, to six decimals.

    Args:
        source: where the reviews came from.
        columns: of the features.
        history: the hold-out run.
        test: the final network's metrics on the test split, as `measure` gives them.
        intervals: of the same metrics.
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
        "test": {name: round(value, 6) for name, value in test.items()},
        # Lists, which DVC's tables leave out: with a column for either end nothing else could be seen there.
        "test_interval": {name: [round(end, 6) for end in ends] for name, ends in intervals.items()},
    }


def measure(
    loss: NDArray[np.float64], labels: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> dict[str, float]:
    """What the probabilities are worth; a review counts as positive above 0.5, as in Keras.

    The expected calibration error (Naeini, Cooper, Hauskrecht: Obtaining well calibrated probabilities using Bayesian
    binning, 2015) is the mean distance of predicted probability and share of positive reviews, over bins of one width,
    weighted by their rows.

    Args:
        loss: (rows,) the loss of each.
        labels: (rows,) 0 or 1, both among them.
        probabilities: (rows,).

    Raises:
        UserError: all rows have one label, so that most metrics mean nothing.
    """
    if len(set(labels.tolist())) < 2:
        raise UserError(
            f"{FEATURES / 'test'} holds only {'positive' if labels[0] else 'negative'} reviews; expected both kinds: "
            "test on other reviews"
        )
    positive = probabilities > 0.5
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        labels, positive, average="binary", zero_division=0
    )
    rows, mean, share = charts.calibration_bins(labels, probabilities).T
    return {
        "loss": float(loss.mean()),
        "binary_accuracy": sklearn_metrics.accuracy_score(labels, positive),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": sklearn_metrics.roc_auc_score(labels, probabilities),
        "average_precision": sklearn_metrics.average_precision_score(labels, probabilities),
        "brier_score": sklearn_metrics.brier_score_loss(labels, probabilities),
        "expected_calibration_error": float(np.nansum(rows * np.abs(mean - share)) / len(labels)),
    }
