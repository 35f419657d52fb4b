"""Count the words and the lengths of IMDB's training reviews, for the source `synthetic`.

Reads   data/raw/, written by `download` from the source imdb
Writes  stages/download/word_counts.parquet, review_lengths.parquet (140 kB in git: single words and numbers)

Run it with `python -m checks.word_counts`. It always writes the same tables.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages import console, storage
from stages.contracts.reviews import PART_ROWS, RAW, read_reviews, read_source, read_vocabulary
from stages.download.synthetic import REVIEW_LENGTHS, WORD_COUNTS

WORDS = 20_000
"""Number of words in the table, the most frequent ones. They are 97 % of IMDB's tokens."""


def main() -> None:
    """Count, and write both tables."""
    name = read_source().name
    if name != "imdb":
        remedy = "set data.sources to [imdb] in params.yaml and run `dvc repro download`"
        raise console.UserError(f"{RAW} holds the source {name}; expected imdb: {remedy}")
    batches = list(read_reviews("train", PART_ROWS))
    sizes = np.concatenate([np.diff(batch.offsets) for batch in batches])
    labels = np.concatenate([batch.labels for batch in batches])
    words = read_vocabulary()[:WORDS]
    tokens = _count(np.concatenate([batch.tokens for batch in batches]), labels.repeat(sizes), range(1, len(words) + 1))
    lengths = _count(sizes, labels, range(sizes.max() + 1))
    _write(WORD_COUNTS, tokens.set_axis(words).rename_axis("word"), pa.string())
    _write(REVIEW_LENGTHS, lengths.rename_axis("length"), pa.int32())
    console.say(
        f"{len(labels):,} reviews, {len(words):,} words, {tokens.to_numpy().sum():,} tokens of them "
        f"-> {WORD_COUNTS.name}, {REVIEW_LENGTHS.name}"
    )


def _count(values: NDArray[np.int32], labels: NDArray[np.uint8], index: range) -> pd.DataFrame:
    """Return how often each value of `index` comes with the label 0 and 1: the columns negative and positive."""
    counts = pd.crosstab(values, labels).reindex(index=index, columns=[0, 1], fill_value=0)
    return counts.set_axis(["negative", "positive"], axis="columns")


def _write(path: Path, counts: pd.DataFrame, key: pa.DataType) -> None:
    """Write a table with the index, of the type `key`, as its first column."""
    schema = pa.schema([(counts.index.name, key), ("negative", pa.int32()), ("positive", pa.int32())])
    table = pa.Table.from_pandas(counts.reset_index(), schema, preserve_index=False).replace_schema_metadata()
    with storage.atomic_write(path) as beside:
        pq.write_table(table, beside, compression="zstd", compression_level=19, use_dictionary=["negative", "positive"])


if __name__ == "__main__":
    console.run(main, __doc__)
