"""The numbers of results/metrics.json."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from stages.artifacts import Epoch, Source
from stages.train.loop import best


def summary(
    source: Source,
    history: Sequence[Epoch],
    network: keras.Model,
    labels: NDArray[np.float32],
    probabilities: NDArray[np.float32],
) -> dict[str, Any]:
    """The hold-out run's best epoch, and the final network on the test split.

    Args:
        source: where the reviews came from.
        history: the hold-out run.
        network: the final network; the loss is the one that it was compiled with.
        labels: (rows,) 0 or 1, of the test split.
        probabilities: (rows,) what the network says of them.
    """
    at_best = best(history)
    loss = network.compute_loss(y=labels[:, None], y_pred=probabilities[:, None])
    return {
        "source": source.name,
        "validation": {
            "best_epoch": at_best.epoch,
            "loss": at_best.val_loss,
            "binary_accuracy": at_best.val_binary_accuracy,
        },
        "test": {
            "loss": round(float(loss), 6),
            "binary_accuracy": round(float(np.mean((probabilities > 0.5) == labels)), 6),
        },
    }
