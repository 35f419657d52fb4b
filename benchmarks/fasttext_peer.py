"""fastText, supervised, on the reviews as words: all words that they hold, not the 10,000 most frequent alone.

As many epochs as the others, vectors as wide as their first layer, else fastText's defaults. It trains on the 15,000
rows of the hold-out run, validates nothing, and is tested on the test split.
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
    """Write the reviews of a split from row `first` on, as fastText reads them: a line each, its label in front."""
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
