"""Turn token ids into multi-hot CSR matrices and labels.

Reads   data/raw/
Writes  data/features/{train,test}/part-NNNNN.npz and .labels.npy, data/features/columns.parquet
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stages import console, params, storage, workers
from stages.contracts.features import FEATURES, FEATURES_COLUMNS, Columns, write_columns, write_part
from stages.contracts.reviews import SPLITS, read_review_part, read_source, read_vocabulary, review_parts
from stages.encoding import multi_hot
from stages.encoding.ngrams import NGrams
from stages.vectorize import columns


def main() -> None:
    """Run the stage."""
    settings = params.load().vectorize
    tokenizer = read_source().tokenizer
    texts, num_word_columns, ngrams = columns.choose(read_vocabulary(), settings)
    with storage.atomic_write(FEATURES) as folder:
        folder.mkdir()
        write_columns(folder / FEATURES_COLUMNS.name, Columns(texts, tokenizer))
        tasks = [
            task for split in SPLITS for task in _tasks(folder, split, settings.rows_per_part, num_word_columns, ngrams)
        ]
        paths = [task.path for task in tasks]
        counts = workers.run(encode, tasks, columns.work(paths, settings), "encoding", paths)
        for split in SPLITS:
            found = [count for task, count in zip(tasks, counts, strict=True) if task.split == split]
            rows, ones = map(sum, zip(*found, strict=True))
            console.say(f"{split}: {rows:,} rows x {len(texts):,} columns, {ones:,} ones")
    console.say(f"-> {FEATURES}")


class Task(NamedTuple):
    """What it takes to encode a part of data/raw, in this process or another."""

    path: Path
    folder: Path
    split: str
    number: int
    """The number of the first part of data/features that it writes."""
    rows: int
    """The number of rows in each part of data/features."""
    num_word_columns: int
    ngrams: NGrams


def _tasks(folder: Path, split: str, rows: int, num_word_columns: int, ngrams: NGrams) -> Iterator[Task]:
    number = 0
    for path in review_parts(split):
        yield Task(path, folder, split, number, rows, num_word_columns, ngrams)
        number += math.ceil(storage.count_rows(path, "download") / rows)


def encode(task: Task) -> tuple[int, int]:
    """Write the features of a part of data/raw. Return the number of rows and of ones."""
    rows = ones = 0
    for number, reviews in enumerate(read_review_part(task.path, task.rows), task.number):
        part = multi_hot.encode(reviews, task.num_word_columns, task.ngrams)
        write_part(task.folder, task.split, number, part)
        rows, ones = rows + len(part), ones + part.matrix.nnz
    return rows, ones


if __name__ == "__main__":
    console.run(main, __doc__)
