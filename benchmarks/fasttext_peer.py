"""Run supervised fastText on the reviews as text, with all words instead of the 10,000 most frequent.

It has the same number of epochs as the others, vectors of the width of their first layer, and the defaults of fastText
otherwise. It trains on the 15,000 rows of the hold-out run without validation, and is tested on the test split.
"""

import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import fasttext
import numpy as np

from benchmarks import measure, reference
from stages.contracts.reviews import read_reviews, read_vocabulary


def write(path: Path, split: str, first: int) -> None:
    """Write the reviews of a split from row `first` on for fastText: a line each, with its label in front."""
    words = np.array(read_vocabulary(), dtype=object)
    with path.open("w", encoding="utf-8") as file:
        for reviews in read_reviews(split, rows=1_000_000):
            for (start, stop), label in list(zip(pairwise(reviews.offsets), reviews.labels, strict=True))[first:]:
                file.write(f"__label__{label} {' '.join(words[reviews.tokens[start:stop] - 1])}\n")


def main() -> dict[str, float]:
    """Train and test."""
    reference.check()
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder, "train.txt"), Path(folder, "test.txt")
        write(train, "train", reference.HOLDOUT_ROWS)
        write(test, "test", 0)
        began = time.perf_counter()
        model = fasttext.train_supervised(
            str(train), epoch=reference.HOLDOUT_EPOCHS, dim=16, thread=os.cpu_count(), verbose=0
        )
        fit = time.perf_counter() - began
        _, accuracy, _ = model.test(str(test))
    return {"epoch": fit / reference.HOLDOUT_EPOCHS, "fit": fit, "accuracy": accuracy}


if __name__ == "__main__":
    measure.report(main)
