"""The numbers of results/metrics.json."""

from collections.abc import Sequence
from typing import Any

from stages.artifacts import Epoch, Source
from stages.train.loop import best


def summary(source: Source, history: Sequence[Epoch], test: dict[str, float]) -> dict[str, Any]:
    """The hold-out run's best epoch, and the final network on the test split, to six decimals.

    Args:
        source: where the reviews came from.
        history: the hold-out run.
        test: loss and binary_accuracy of the final network.
    """
    at_best = best(history)
    return {
        "source": source.name,
        "validation": {
            "best_epoch": at_best.epoch,
            "loss": at_best.val_loss,
            "binary_accuracy": at_best.val_binary_accuracy,
        },
        "test": {name: round(value, 6) for name, value in test.items()},
    }
