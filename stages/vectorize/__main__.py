"""Turn token ids into multi-hot CSR matrices and labels.

Reads   data/raw/
Writes  data/features/{train,test}/part-NNNNN.npz and .labels.npy, data/features/columns.parquet
"""

from stages import console, params, storage
from stages.contracts.features import FEATURES, FEATURES_COLUMNS, Columns, write_columns, write_part
from stages.contracts.reviews import SPLITS, read_reviews, read_source, read_vocabulary
from stages.encoding import multi_hot
from stages.vectorize import columns


def main() -> None:
    """Run the stage."""
    settings = params.load().vectorize
    tokenizer = read_source().tokenizer
    texts, singles, ngrams = columns.choose(read_vocabulary(), settings)
    with storage.atomic_write(FEATURES) as folder:
        folder.mkdir()
        write_columns(folder / FEATURES_COLUMNS.name, Columns(texts, tokenizer))
        for split in SPLITS:
            rows = nonzero = 0
            for number, reviews in enumerate(read_reviews(split, settings.rows_per_part)):
                part = multi_hot.encode(reviews, singles, ngrams)
                write_part(folder, split, number, part)
                rows, nonzero = rows + len(part), nonzero + part.matrix.nnz
            console.say(f"{split}: {rows:,} rows x {len(texts):,} columns, {nonzero:,} ones")
    console.say(f"-> {FEATURES}")


if __name__ == "__main__":
    console.run(main, __doc__)
