"""The files between `vectorize` and the stages that use features: multi-hot rows, in data/features."""

import hashlib
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from stages.console import UserError
from stages.encoding import TokenizerName
from stages.storage import BAD_ZIP, DAMAGE, checked_read, checked_zip, count_rows, read_table, require, write_table

FEATURES = Path("data/features")
FEATURES_COLUMNS = FEATURES / "columns.parquet"

_COLUMNS = pa.schema([("column", pa.int32()), ("word", pa.string())])
_BAD_NPZ = (*DAMAGE, *BAD_ZIP, AttributeError, TypeError)
"""What zipfile, NumPy and SciPy raise for a damaged npz file; the last two for arrays of other shapes and types."""


@dataclass(frozen=True)
class Features:
    """Multi-hot rows and their labels."""

    matrix: scipy.sparse.csr_matrix
    """(rows, columns) float32 CSR, indices sorted, no duplicates."""
    labels: NDArray[np.float32]
    """(rows,) 0 or 1."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> "Features":
        return Features(self.matrix[rows], self.labels[rows])


def write_part(folder: Path, split: str, number: int, part: Features) -> None:
    """Write a part of a split: part-NNNNN.npz, uncompressed for speed, and part-NNNNN.labels.npy."""
    stem = folder / split / f"part-{number:05d}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    scipy.sparse.save_npz(f"{stem}.npz", part.matrix, compressed=False)
    np.save(f"{stem}.labels.npy", part.labels, allow_pickle=False)


def feature_parts(split: str) -> list[Path]:
    """Return the paths of the parts of a split in order, for `read_part`."""
    paths = sorted((FEATURES / split).glob("part-*.npz"))
    if not paths:
        raise UserError(f"{FEATURES / split} holds no features: build them with `dvc repro vectorize`")
    return paths


@lru_cache(maxsize=1)
def read_part(path: Path) -> Features:
    """Read a part. The part that was read last stays in memory, so a split with one part is read only once."""
    # `checked_zip` comes first, because NumPy would take a file that is not a zip file for a pickle.
    with checked_read(path, "vectorize", _BAD_NPZ), checked_zip(path):
        matrix = scipy.sparse.load_npz(path)
    with checked_read(path, "vectorize"):
        require(isinstance(matrix, scipy.sparse.csr_matrix) and matrix.dtype == np.float32, "a float32 CSR matrix")
        matrix.check_format(full_check=True)
        require(matrix.has_canonical_format, "each row's indices sorted and no duplicates")
        require(bool(np.isfinite(matrix.data).all()), "finite values")
        columns = count_rows(FEATURES_COLUMNS, "vectorize")
        require(matrix.shape[1] == columns, f"{columns:,} columns, as {FEATURES_COLUMNS} has")
        labels = read_labels(path)
        require(matrix.shape[0] == len(labels), f"{len(labels):,} rows, as many as its labels")
    return Features(matrix, labels)


def read_labels(path: Path) -> NDArray[np.float32]:
    """Read the labels of a part: (rows,) float32."""
    labels = path.with_suffix(".labels.npy")
    with checked_read(labels, "vectorize"):
        with labels.open("rb") as file:
            content: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
        require(content.dtype == np.float32 and content.ndim == 1, "a float32 vector")
        require(bool(np.isin(content, (0, 1)).all()), "labels 0 and 1")
    return content


@dataclass(frozen=True)
class Columns:
    """The meaning of each column of the features, and how to get from a text to columns."""

    words: list[str]
    """(columns,) the special columns, words by frequency rank, then n-grams: words joined by spaces."""
    tokenizer: TokenizerName
    """The tokenizer that splits a text into words."""

    @property
    def num_word_columns(self) -> int:
        """The number of columns before the first n-gram."""
        return bisect_left(self.words, True, key=lambda text: " " in text)

    @property
    def longest(self) -> int:
        """The number of words in the longest n-gram. Longer n-grams come after shorter ones."""
        return self.words[-1].count(" ") + 1

    @property
    def sha256(self) -> str:
        """The hash of the tokenizer and the words, in hexadecimal. A model records the hash of its columns."""
        return hashlib.sha256("\n".join([self.tokenizer, *self.words]).encode()).hexdigest()


def write_columns(path: Path, columns: Columns) -> None:
    """Write a columns.parquet. The metadata of its schema holds the tokenizer."""
    schema = _COLUMNS.with_metadata({"tokenizer": columns.tokenizer})
    write_table(path, schema, [np.arange(len(columns.words), dtype=np.int32), columns.words])


def read_columns(path: Path = FEATURES_COLUMNS) -> Columns:
    """Read the columns of data/features, or those of the model in models/."""
    with checked_read(path, "vectorize" if path == FEATURES_COLUMNS else "train"):
        table = read_table(path, _COLUMNS)
        tokenizer = (table.schema.metadata or {}).get(b"tokenizer", b"").decode()
        require(tokenizer in get_args(TokenizerName), f"a tokenizer among {', '.join(get_args(TokenizerName))}")
        # Not as a NumPy array, for which PyArrow imports pandas: `predict` answers in less time and memory without it.
        require(table.column("column").to_pylist() == list(range(len(table))), "the columns in order")
        return Columns(table.column("word").to_pylist(), tokenizer)
