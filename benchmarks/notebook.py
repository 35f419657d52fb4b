"""Run the notebook as it is written: dense float64 rows, made one by one, and `model.fit`.

Two matrices of 25,000 x 10,000 float64 are 4 GB. With the copies that Keras makes, 9 GB are resident.
"""

import time
from collections.abc import Sequence
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from benchmarks import measure, reference


class EpochEnds(keras.callbacks.Callback):  # type: ignore[misc]
    """Record when each epoch ended, with its validation."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_epoch_end(self, *_: Any) -> None:
        """Record the end of an epoch."""
        self.times.append(time.perf_counter())

    def median(self) -> float:
        """Return the median seconds per epoch, without the first, in which Keras builds its graph."""
        return float(np.median(np.diff(self.times)))


def vectorize_sequences(sequences: Sequence[list[int]], dimension: int = 10000) -> NDArray[np.float64]:
    """Return dense multi-hot rows: (reviews, dimension)."""
    results = np.zeros((len(sequences), dimension))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1.0
    return results


def network(*inputs: Any) -> keras.Sequential:
    """Return the compiled network of the notebook with new weights; `inputs` come before its layers."""
    hidden = [layers.Dense(16, activation="relu") for _ in range(2)]
    model = keras.Sequential([*inputs, *hidden, layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main() -> dict[str, float]:
    """Run the notebook, from loading to testing."""
    keras.utils.set_random_seed(reference.SEED)
    # Keras would look for the file in its cache, and accept its own bytes only.
    with mock.patch("keras.src.datasets.imdb.get_file", return_value=str(reference.reviews())):
        (train_data, train_labels), (test_data, test_labels) = keras.datasets.imdb.load_data(num_words=10000)

    began = time.perf_counter()
    x_train = vectorize_sequences(train_data)
    x_test = vectorize_sequences(test_data)
    vectorize = time.perf_counter() - began
    y_train = np.asarray(train_labels).astype("float32")
    y_test = np.asarray(test_labels).astype("float32")

    x_val, partial_x_train = x_train[:10000], x_train[10000:]
    y_val, partial_y_train = y_train[:10000], y_train[10000:]
    model, ends = network(), EpochEnds()
    began = time.perf_counter()
    model.fit(
        partial_x_train, partial_y_train, epochs=20, batch_size=512, validation_data=(x_val, y_val),
        callbacks=[ends], verbose=0,
    )  # fmt: skip
    fit = time.perf_counter() - began

    model = network()
    model.fit(x_train, y_train, epochs=4, batch_size=512, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    return {"vectorize": vectorize, "epoch": ends.median(), "fit": fit, "accuracy": accuracy}


if __name__ == "__main__":
    measure.report(main)
