"""The threshold: a review with a higher probability is predicted positive."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from stages.console import UserError
from stages.contracts.model import HOLDOUT, read_holdout
from stages.params import PARAMS


def choose(setting: float | Literal["best"]) -> float:
    """Return the threshold that `evaluate.threshold` asks for, as a float32 value, because probabilities are float32.

    Raises:
        UserError: `best` is asked for, and the hold-out rows all have the same label.
    """
    if setting != "best":
        return float(np.float32(setting))
    labels, probabilities = read_holdout()
    if len(set(labels.tolist())) < 2:
        raise UserError(
            f"{PARAMS}: evaluate.threshold is 'best', but all rows of {HOLDOUT} have the same label; expected a "
            "number, or more train.holdout_rows"
        )
    return best(labels, probabilities)


def best(labels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> float:
    """Return the threshold with the highest F1: the middle between the two probabilities that it separates.

    Args:
        labels: (rows,) 0 or 1, with at least one of each.
        probabilities: (rows,) that the row is positive.
    """
    precision, recall, thresholds = precision_recall_curve(labels, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    place = int(np.argmax(f1[:-1]))  # the last point predicts no row as positive
    above, below = thresholds[place], thresholds[place - 1] if place else np.float32(0)
    # The threshold must be below `above`. The middle of two neighbouring float32 values may be rounded up to it.
    return float(min((above + below) / 2, np.nextafter(above, np.float32(0))))
