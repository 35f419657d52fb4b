"""Turn token ids into multi-hot CSR matrices and labels.

Reads   data/raw/
Writes  data/features/{train,test}/part-NNNNN.npz and .labels.npy, data/features/columns.parquet
"""

from stages import artifacts, console, params, storage
from stages.vectorize import multi_hot, vocabulary


def main() -> None:
    """Run the stage."""
    settings = params.load().vectorize
    tokenizer = artifacts.read_source().tokenizer
    words = vocabulary.column_words(artifacts.read_vocabulary(), settings.num_words)
    with storage.replacing(artifacts.FEATURES) as folder:
        folder.mkdir()
        artifacts.write_columns(folder / artifacts.FEATURES_COLUMNS.name, artifacts.Columns(words, tokenizer))
        for split in artifacts.SPLITS:
            rows = nonzero = 0
            for number, reviews in enumerate(artifacts.read_reviews(split, settings.rows_per_part)):
                part = multi_hot.encode(reviews, len(words))
                artifacts.write_part(folder, split, number, part)
                rows, nonzero = rows + len(part), nonzero + part.matrix.nnz
            console.say(f"{split}: {rows:,} rows x {len(words):,} columns, {nonzero:,} ones")
    console.say(f"-> {artifacts.FEATURES}")


if __name__ == "__main__":
    console.run(main, __doc__)
