"""Train the final network for some epochs with ten seeds: `python -m benchmarks.seeds EPOCHS`.

The working directory holds the params.yaml and the data/features of an experiment.

Prints the test accuracy of each seed. On multi-hot rows, it trains Keras's `fit` on dense rows with the same seeds, as
the notebook does; on rows with weights, scikit-learn's logistic regression.
"""

import sys
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from benchmarks import measure, reference
from stages import params
from stages.contracts.features import Features, read_columns
from stages.params import Train
from stages.train import loop, network, rows, weighting

SEEDS = range(1, 11)


def main() -> dict[str, Any]:
    """Return the accuracies of each model."""
    settings, columns, epochs = params.load().train, len(read_columns().words), int(sys.argv[1])
    found: dict[str, Any] = {"ours": [_ours(settings, columns, epochs, seed) for seed in SEEDS]}
    train, test = reference.features("train"), reference.features("test")
    if settings.weighting:
        found["logistic"] = _logistic(train, test, columns)
    else:
        splits = _dense(train), _dense(test)
        found["notebook"] = [_notebook(*splits, settings, epochs, seed) for seed in SEEDS]
    return found


def _ours(settings: Train, columns: int, epochs: int, seed: int) -> float:
    settings = settings.model_copy(update={"seed": seed})
    trainer, training = loop.Trainer(network.build(columns, settings), settings), rows.split_rows("train")
    if settings.weighting:
        weighting.adapt(trainer.network, training)
    history = trainer.fit(training, epochs, rows.split_rows("test"))
    return float(history["val_binary_accuracy"].iloc[-1])


def _dense(part: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return part.matrix.toarray(), part.labels


def _notebook(train: tuple[Any, Any], test: tuple[Any, Any], settings: Train, epochs: int, seed: int) -> float:
    made = network.build(train[0].shape[1], settings.model_copy(update={"seed": seed}))
    made.fit(*train, batch_size=settings.batch_size, epochs=epochs, verbose=0)
    return float(made.evaluate(*test, batch_size=settings.batch_size, verbose=0)[1])


def _logistic(train: Features, test: Features, columns: int) -> float:
    ratios = scipy.sparse.diags_array(np.abs(weighting.log_ratios(rows.split_rows("train"), columns)))
    weighted = [normalize(part.matrix @ ratios) for part in (train, test)]
    peer = LogisticRegression(C=30, max_iter=1000).fit(weighted[0], train.labels)
    return float(peer.score(weighted[1], test.labels))


if __name__ == "__main__":
    measure.report(main)
