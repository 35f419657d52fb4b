"""Every file that passes between stages: where it is, how it is written, how it is read.

Whatever is written is a function of its content alone: no times, no names of machines. Relative paths start at the
project's folder, where DVC runs the stages.
"""

import csv
import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from stages.console import UserError
from stages.params import TokenizerName
from stages.storage import (
    ALL_ROWS,
    check_schema,
    count_rows,
    expect,
    read_table,
    reading,
    replacing,
    scratch,
    write_json,
    write_table,
)  # fmt: skip

if TYPE_CHECKING:
    import keras
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel


SPLITS = ("train", "test")

RAW = Path("data/raw")
FEATURES = Path("data/features")
FEATURES_COLUMNS = FEATURES / "columns.parquet"
MODEL = Path("models/model.keras")
MODEL_COLUMNS = Path("models/columns.parquet")
SERVING = Path("models/serving")
HISTORY = Path("results/history.csv")
METRICS = Path("results/metrics.json")
PREDICTIONS = Path("results/predictions.parquet")
PLOTS = Path("results/plots")
FIGURES = Path("results/figures")
REPORT = Path("results/report.html")

_REVIEWS = pa.schema([("tokens", pa.list_(pa.int32())), ("label", pa.uint8())])
_VOCABULARY = pa.schema([("word", pa.string()), ("count", pa.int64())])
_COLUMNS = pa.schema([("column", pa.int32()), ("word", pa.string())])
_COLUMNS_KEY = "columns_sha256"
"""In the metadata of a .keras file: what the model's columns are."""
_PREDICTIONS = pa.schema([("row", pa.int64()), ("label", pa.uint8()), ("probability", pa.float32())])


# data/raw: what `download` hands to `vectorize`


@dataclass(frozen=True)
class Reviews:
    """Some reviews as token ids, one after the other; review i is `tokens[offsets[i]:offsets[i + 1]]`."""

    tokens: NDArray[np.int32]
    """(tokens,) frequency ranks from 1."""
    offsets: NDArray[np.int32]
    """(rows + 1,) where each review starts."""
    labels: NDArray[np.uint8]
    """(rows,) 1 = positive, 0 = negative."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Source:
    """Where a corpus came from: nothing in it differs between two mirrors of the same data."""

    name: str
    tokenizer: TokenizerName
    """What cuts a text into the words of this corpus."""
    train_rows: int
    test_rows: int
    sha256: str
    """Of the content: tokens, lengths and labels of both splits, and the vocabulary."""


def write_reviews(folder: Path, split: str, batches: Iterable[Reviews]) -> None:
    """Write `{split}.parquet` under `folder`, batch by batch, each batch a row group."""
    # Ranks by byte: half the time and five sixths of the size that a dictionary of them takes.
    encoding = {"use_dictionary": False, "use_byte_stream_split": ["tokens.list.element"]}
    with pq.ParquetWriter(folder / f"{split}.parquet", _REVIEWS, compression="zstd", **encoding) as writer:
        for batch in batches:
            tokens = pa.ListArray.from_arrays(pa.array(batch.offsets), pa.array(batch.tokens))
            writer.write_table(pa.table([tokens, pa.array(batch.labels)], schema=_REVIEWS))


def read_reviews(split: str, rows: int) -> Iterator[Reviews]:
    """Read a split of data/raw in its order, at most `rows` reviews at a time."""
    path, source = RAW / f"{split}.parquet", read_source()
    count = source.train_rows if split == "train" else source.test_rows
    words = count_rows(RAW / "vocabulary.parquet", "download")
    with reading(path, "download"), pq.ParquetFile(path, pre_buffer=False) as file:
        check_schema(file.schema_arrow, _REVIEWS)
        expect(file.metadata.num_rows == count, f"{count:,} rows, as source.json says")
        for batch in file.iter_batches(batch_size=rows, columns=_REVIEWS.names, use_threads=False):
            yield _reviews(batch, words)
            count -= len(batch)
        expect(count == 0, ALL_ROWS)


def _reviews(batch: pa.RecordBatch, words: int) -> Reviews:
    tokens, labels = batch.column("tokens"), batch.column("label")
    expect(tokens.null_count == tokens.flatten().null_count == labels.null_count == 0, "a value in every row")
    offsets = tokens.offsets.to_numpy()
    reviews = Reviews(tokens.flatten().to_numpy(), offsets - offsets[0], labels.to_numpy())
    expect(1 <= reviews.tokens.min(initial=1) <= reviews.tokens.max(initial=1) <= words, f"ranks from 1 to {words:,}")
    expect(reviews.labels.max(initial=0) <= 1, "labels 0 and 1")
    return reviews


def read_some_reviews(split: str, rows: Sequence[int]) -> Reviews:
    """The reviews of a split of data/raw with these row numbers, in the order asked for; reads no further than needed.

    Raises:
        UserError: the split has fewer rows.
    """
    found: dict[int, tuple[NDArray[np.int32], np.uint8]] = {}
    start, last = 0, max(rows, default=-1)
    for batch in read_reviews(split, 1000):
        for row in rows:
            if start <= row < start + len(batch):
                cut = slice(*batch.offsets[row - start : row - start + 2])
                found[row] = batch.tokens[cut].copy(), batch.labels[row - start]
        start += len(batch)
        if start > last:
            break
    if start <= last:
        raise UserError(f"{RAW / split}.parquet has {start} rows; expected row {last} too: `dvc repro download`")
    tokens = [found[row][0] for row in rows]
    offsets = np.cumsum([0, *map(len, tokens)], dtype=np.int32)
    labels = np.array([found[row][1] for row in rows], np.uint8)
    return Reviews(np.concatenate(tokens) if tokens else np.empty(0, np.int32), offsets, labels)


def write_vocabulary(folder: Path, words: Sequence[str], counts: NDArray[np.int64]) -> None:
    """Write vocabulary.parquet: row r - 1 holds the word of rank r and how often the training split has it."""
    write_table(folder / "vocabulary.parquet", _VOCABULARY, [words, counts])


def read_vocabulary() -> list[str]:
    """The words of data/raw by rank: word r - 1 has rank r."""
    path = RAW / "vocabulary.parquet"
    with reading(path, "download"):
        words: list[str] = read_table(path, _VOCABULARY).column("word").to_pylist()
        return words


def write_source(folder: Path, source: Source) -> None:
    """Write source.json."""
    write_json(folder / "source.json", asdict(source))


def read_source() -> Source:
    """Where the corpus in data/raw came from."""
    path = RAW / "source.json"
    with reading(path, "download"):
        try:
            return TypeAdapter(Source).validate_json(path.read_bytes(), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}") from None


# data/features: what `vectorize` hands to `train` and `evaluate`


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
    """Write one part of a split: part-NNNNN.npz, uncompressed for speed, and part-NNNNN.labels.npy."""
    stem = folder / split / f"part-{number:05d}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    scipy.sparse.save_npz(f"{stem}.npz", part.matrix, compressed=False)
    np.save(f"{stem}.labels.npy", part.labels, allow_pickle=False)


def feature_parts(split: str) -> list[Path]:
    """The parts of a split in order, for `read_part`."""
    paths = sorted((FEATURES / split).glob("part-*.npz"))
    if not paths:
        raise UserError(f"{FEATURES / split} holds no features: build them with `dvc repro vectorize`")
    return paths


@lru_cache(maxsize=1)
def read_part(path: Path) -> Features:
    """Read one part; the last one read is kept, so that a split of one part is read only once."""
    with reading(path, "vectorize"):
        with zipfile.ZipFile(path):  # or NumPy takes it for a pickle, which it refuses with the wrong advice
            matrix = scipy.sparse.load_npz(path)
        expect(isinstance(matrix, scipy.sparse.csr_matrix) and matrix.dtype == np.float32, "a float32 CSR matrix")
        matrix.check_format(full_check=True)
        expect(matrix.has_canonical_format, "each row's indices sorted and no duplicates")
        expect(bool(np.isfinite(matrix.data).all()), "finite values")
        columns = count_rows(FEATURES_COLUMNS, "vectorize")
        expect(matrix.shape[1] == columns, f"{columns:,} columns, as {FEATURES_COLUMNS} has")
        labels = read_labels(path)
        expect(matrix.shape[0] == len(labels), f"{len(labels):,} rows, as many as its labels")
    return Features(matrix, labels)


def read_labels(path: Path) -> NDArray[np.float32]:
    """The labels of one part, (rows,) float32."""
    labels = path.with_suffix(".labels.npy")
    with reading(labels, "vectorize"):
        with labels.open("rb") as file:
            content: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
        expect(content.dtype == np.float32 and content.ndim == 1, "a float32 vector")
        expect(bool(np.isin(content, (0, 1)).all()), "labels 0 and 1")
    return content


@dataclass(frozen=True)
class Columns:
    """What each column of the features stands for, and so what a text has to become."""

    words: list[str]
    """(columns,) the special columns, then words by frequency rank."""
    tokenizer: TokenizerName
    """What cuts a text into words."""

    @property
    def sha256(self) -> str:
        """Of the tokenizer and the words, in hexadecimal: what a model is known to belong to."""
        return hashlib.sha256("\n".join([self.tokenizer, *self.words]).encode()).hexdigest()


def write_columns(path: Path, columns: Columns) -> None:
    """Write a columns.parquet; the tokenizer is in the metadata of its schema."""
    schema = _COLUMNS.with_metadata({"tokenizer": columns.tokenizer})
    write_table(path, schema, [np.arange(len(columns.words), dtype=np.int32), columns.words])


def read_columns(path: Path = FEATURES_COLUMNS) -> Columns:
    """What the columns of data/features stand for, or those of the model in models/."""
    with reading(path, "vectorize" if path == FEATURES_COLUMNS else "train"):
        table = read_table(path, _COLUMNS)
        tokenizer = (table.schema.metadata or {}).get(b"tokenizer", b"").decode()
        expect(tokenizer in get_args(TokenizerName), f"a tokenizer among {', '.join(get_args(TokenizerName))}")
        expect(table.column("column").to_pylist() == list(range(len(table))), "the columns in order")
        return Columns(table.column("word").to_pylist(), tokenizer)


# models/ and results/: what `train` hands to `evaluate`, and what `evaluate` hands to people


@dataclass(frozen=True)
class Epoch:
    """One epoch of the hold-out run, as Keras's `History` has it."""

    epoch: int
    """From 1."""
    loss: float
    binary_accuracy: float
    val_loss: float
    val_binary_accuracy: float


def write_model(model: "keras.Model", columns: Columns) -> None:
    """Write models/model.keras so that the same weights give the same bytes.

    A .keras file is a zip. What Keras and zipfile put into it that differs from run to run is replaced: the times of
    the members, the date of saving, and the memory addresses by which the configuration marks objects that are shared.
    Beside the date goes the digest of the columns, which Keras passes over.
    """
    with replacing(MODEL) as path, scratch(path) as folder:
        saved = folder / "saved.keras"
        model.save(saved)
        with zipfile.ZipFile(saved) as members, zipfile.ZipFile(path, "w") as steady:
            for name in members.namelist():
                content = members.read(name)
                if name.endswith(".json"):
                    content = _steady_json(content, columns)
                steady.writestr(zipfile.ZipInfo(name), content)


def _steady_json(content: bytes, columns: Columns) -> bytes:
    """Rewrite a JSON member of a .keras file without the memory addresses in it, and with columns for its time."""
    numbers: dict[int, int] = {}

    def steady(values: dict[str, Any]) -> dict[str, Any]:
        if "date_saved" in values:
            values |= {"date_saved": "1980-01-01@00:00:00", _COLUMNS_KEY: columns.sha256}
        if "shared_object_id" in values:
            values["shared_object_id"] = numbers.setdefault(values["shared_object_id"], len(numbers))
        return values

    return json.dumps(json.loads(content, object_hook=steady)).encode()


def read_model(columns: Columns) -> "keras.Sequential":
    """Read models/model.keras, compiled as it was trained.

    Raises:
        UserError: it is missing, damaged, or was trained on other columns.
    """
    with reading(MODEL, "train"), zipfile.ZipFile(MODEL) as members:
        trained_on = json.loads(members.read("metadata.json"))[_COLUMNS_KEY]
    if trained_on != columns.sha256:
        raise UserError(
            f"{MODEL} was trained on other columns than those read with it: they are of two runs; expected of one: "
            "`dvc repro`"
        )
    import keras  # here, because the stages before `train` do without TensorFlow

    with reading(MODEL, "train"):
        # Nothing in the file is run: safe_mode refuses the lambdas that it may hold, and allows no own classes.
        model = keras.models.load_model(MODEL, safe_mode=True)
        expect(model.input_shape == (None, len(columns.words)), f"{len(columns.words):,} columns")
        expect(all(np.isfinite(weights).all() for weights in model.get_weights()), "finite weights")
        return model


def write_model_columns(columns: Columns) -> None:
    """Write models/columns.parquet, so that models/ is all that answering for a new text takes."""
    with replacing(MODEL_COLUMNS) as path:
        write_columns(path, columns)


def write_serving(model: "SavedModel") -> None:
    """Write models/serving, the folder that `tf.saved_model.load` reads; equal models give the same bytes."""
    with replacing(SERVING) as folder:
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))


def write_history(epochs: Iterable[Epoch]) -> None:
    """Write results/history.csv, a row per epoch of the hold-out run, values to six decimals."""
    with replacing(HISTORY) as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Epoch))
        for record in epochs:
            number, *values = asdict(record).values()
            writer.writerow([number, *(f"{value:.6f}" for value in values)])


def read_history() -> list[Epoch]:
    """The epochs of the hold-out run, in order."""
    with reading(HISTORY, "train"), HISTORY.open(encoding="utf-8", newline="") as file:
        header = [field.name for field in fields(Epoch)]
        rows = list(csv.reader(file))
        expect(rows[:1] == [header] and len(rows) > 1, f"epochs under the header {','.join(header)}")
        epochs = [Epoch(int(number), *map(float, values)) for number, *values in rows[1:]]
        expect([record.epoch for record in epochs] == list(range(1, len(rows))), "the epochs in order")
        expect(bool(np.isfinite([list(asdict(record).values()) for record in epochs]).all()), "finite values")
        return epochs


def write_metrics(metrics: dict[str, Any]) -> None:
    """Write results/metrics.json, the one result that is in git."""
    with replacing(METRICS) as path:
        write_json(path, metrics)


def write_plots(tables: Mapping[str, tuple[Sequence[str], Iterable[Sequence[str | float]]]]) -> None:
    """Write results/plots: a CSV file for each table of columns and rows, numbers to four decimals at most."""
    with replacing(PLOTS) as folder:
        folder.mkdir()
        for name, (columns, rows) in tables.items():
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(columns)
                for row in rows:
                    writer.writerow(round(value, 4) if isinstance(value, float) else value for value in row)


def write_figures(pictures: Mapping[str, bytes]) -> None:
    """Write results/figures: a PNG for each picture."""
    with replacing(FIGURES) as folder:
        folder.mkdir()
        for name, content in pictures.items():
            (folder / f"{name}.png").write_bytes(content)


def write_predictions(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> None:
    """Write results/predictions.parquet: the test split's rows in order, each (row, label, probability)."""
    with replacing(PREDICTIONS) as path:
        write_table(
            path, _PREDICTIONS, [np.arange(len(labels), dtype=np.int64), labels.astype(np.uint8), probabilities]
        )


def write_report(page: str) -> None:
    """Write results/report.html."""
    with replacing(REPORT) as path:
        path.write_text(page, encoding="utf-8", newline="\n")
