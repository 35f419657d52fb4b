"""Run the network of the notebook and `model.fit` on the CSR matrices of this project."""

import time

import keras

from benchmarks import measure, reference
from benchmarks.notebook import EpochEnds, network


def sparse_network() -> keras.Sequential:
    """Return the network of the notebook with a sparse input."""
    return network(keras.Input((reference.NUM_WORDS,), sparse=True))


def main() -> dict[str, float]:
    """Train both networks of the notebook from the features, and test the second."""
    reference.check()
    keras.utils.set_random_seed(reference.SEED)
    train, test = reference.features("train"), reference.features("test")
    holdout, rest = train[: reference.HOLDOUT_ROWS], train[reference.HOLDOUT_ROWS :]
    model, ends = sparse_network(), EpochEnds()
    began = time.perf_counter()
    model.fit(
        rest.matrix, rest.labels, epochs=reference.HOLDOUT_EPOCHS, batch_size=reference.BATCH_SIZE,
        validation_data=(holdout.matrix, holdout.labels), callbacks=[ends], verbose=0,
    )  # fmt: skip
    fit = time.perf_counter() - began
    model = sparse_network()
    model.fit(train.matrix, train.labels, epochs=reference.FINAL_EPOCHS, batch_size=reference.BATCH_SIZE, verbose=0)
    _, accuracy = model.evaluate(test.matrix, test.labels, verbose=0)
    return {"epoch": ends.median(), "fit": fit, "accuracy": accuracy}


if __name__ == "__main__":
    measure.report(main)
