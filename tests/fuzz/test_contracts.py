"""Damage files between stages at random: reading one gives valid values, or an error that names the file."""

import io
import itertools
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.contracts import features, model, reviews
from stages.contracts.features import FEATURES_COLUMNS, Columns, Features, read_columns, read_part
from stages.contracts.reviews import Reviews
from stages.inference import network
from tests.conftest import example_history, random_reviews, write_features, write_reviews
from tests.fuzz.given import answer, damaged
from tests.fuzz.test_params import VALUES

Files = dict[str, bytes]

ROWS, WORDS, COLUMNS = 30, 20, 12
RAW, PART = "data/raw/train/part-00000.parquet", "data/features/train/part-00000.npz"
LABELS = PART.replace(".npz", ".labels.npy")
VOCABULARY, SOURCE = "data/raw/vocabulary.parquet", "data/raw/source.json"
OF_FEATURES, OF_MODEL = str(FEATURES_COLUMNS), str(model.MODEL_COLUMNS)
MODEL, HISTORY = str(model.MODEL), str(model.HISTORY)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the stages write, small, by path."""
    root = tmp_path_factory.mktemp("valid")
    with chdir(root):
        write_reviews("train", [random_reviews(ROWS, WORDS, seed=1)], ROWS, WORDS)
        matrix = scipy.sparse.random(ROWS, COLUMNS, 0.3, "csr", dtype=np.float32, rng=np.random.default_rng(0))
        write_features(Features(matrix, np.arange(ROWS, dtype=np.float32) % 2), "train", 1)
        columns = Columns([f"word{column}" for column in range(COLUMNS)], "keras")
        model.write_model_columns(columns)
        made = keras.Sequential([keras.Input((COLUMNS,)), keras.layers.Dense(1, "sigmoid")])
        made.compile("adam", "binary_crossentropy")
        model.write_model(made, columns)
        model.write_history(example_history(0.4, 0.3))
        model.write_holdout(np.arange(ROWS, dtype=np.float32) % 2, np.linspace(0, 1, ROWS, dtype=np.float32))
        model.write_threshold(0.5)
        return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def canary(tmp_path: Path) -> Iterator[None]:
    """Check that no test ran `Payload`, which would make a file."""
    yield
    assert not (tmp_path / "canary").exists()


def check_reviews(words: int, rows: int) -> None:
    batches = list(reviews.read_reviews("train", 7))
    assert sum(len(batch.labels) for batch in batches) == rows
    assert all(len(batch.labels) <= 7 for batch in batches)
    for batch in [*batches, reviews.read_some_reviews("train", [rows - 1, 0] if rows else [])]:
        check_batch(batch, words)


def check_batch(batch: Reviews, words: int) -> None:
    assert [values.dtype for values in (batch.tokens, batch.offsets, batch.labels)] == [np.int32, np.int32, np.uint8]
    offsets = batch.offsets.tolist()
    assert offsets[0] == 0
    assert offsets[-1] == len(batch.tokens)
    assert offsets == sorted(offsets)
    assert len(offsets) == len(batch.labels) + 1
    assert all(1 <= token <= words for token in batch.tokens.tolist())
    assert set(batch.labels.tolist()) <= {0, 1}


def check_part(columns: int) -> None:
    read_part.cache_clear()
    (path,) = features.feature_parts("train")
    part = read_part(path)
    assert part.matrix.format == "csr"
    assert part.matrix.dtype == part.labels.dtype == np.float32
    assert part.matrix.shape == (len(part.labels), columns)
    assert part.labels.ndim == 1
    assert set(part.labels.tolist()) <= {0, 1}
    ends = part.matrix.indptr.tolist()
    assert ends[0] == 0
    assert ends[-1] == len(part.matrix.indices) == len(part.matrix.data)
    assert np.isfinite(part.matrix.data).all()
    for start, end in itertools.pairwise(ends):
        row = part.matrix.indices[start:end].tolist()
        assert row == sorted(set(row))
        assert all(0 <= column < columns for column in row)
    np.testing.assert_array_equal(features.read_labels(path), part.labels)


def check_columns(path: Path) -> int:
    columns = read_columns(path)
    assert columns.tokenizer in ("keras", "unicode")
    assert all(isinstance(word, str) for word in columns.words)
    return len(columns.words)


def check_raw() -> None:
    words = reviews.read_vocabulary()
    assert all(isinstance(word, str) for word in words)
    source = reviews.read_source()
    assert {type(source.name), type(source.sha256)} == {str}
    assert source.tokenizer in ("keras", "unicode")
    assert type(source.train_rows) is type(source.test_rows) is int
    check_reviews(len(words), source.train_rows)


def check_history() -> None:
    history = model.read_history()
    assert history["epoch"].tolist() == list(range(1, len(history) + 1))
    assert len(history) > 0
    assert np.isfinite(history.to_numpy(float)).all()


def check_holdout() -> None:
    labels, probabilities = model.read_holdout()
    assert len(labels) == len(probabilities)
    assert set(labels.tolist()) <= {0, 1}
    assert all(0 <= probability <= 1 for probability in probabilities.tolist())


def check_threshold() -> None:
    assert 0 <= model.read_threshold() < 1


def check_model() -> None:
    columns = read_columns(model.MODEL_COLUMNS)
    found = network.read(columns)
    assert found.columns == len(columns.words)
    (probability,) = found.predict(scipy.sparse.csr_matrix((1, found.columns), dtype=np.float32))
    assert 0 <= probability <= 1


def check_features() -> None:
    check_part(check_columns(FEATURES_COLUMNS))


CHECKS: dict[str, Callable[[], object]] = {
    **dict.fromkeys((RAW, VOCABULARY, SOURCE), check_raw),
    **dict.fromkeys((PART, LABELS, OF_FEATURES), check_features),
    OF_MODEL: lambda: check_columns(model.MODEL_COLUMNS),
    HISTORY: check_history,
    str(model.HOLDOUT): check_holdout,
    str(model.THRESHOLD): check_threshold,
    MODEL: check_model,
}
SMALL = st.sampled_from([name for name in CHECKS if name != MODEL])


def write(files: Files) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)


def check(files: Files, changed: str, content: bytes) -> None:
    """Write the files, one of them changed, and read it with those that belong to it."""
    write({**files, changed: content})
    answer(CHECKS[changed], naming=files)


def test_undamaged_files_are_read(folder: Path, valid: Files) -> None:
    write(valid)
    for check_file in CHECKS.values():
        check_file()


@given(SMALL, st.data())
def test_damaged_file(folder: Path, valid: Files, name: str, data: st.DataObject) -> None:
    check(valid, name, data.draw(damaged(valid[name])))


@given(SMALL, SMALL, st.binary())
def test_another_file(folder: Path, valid: Files, name: str, other: str, content: bytes) -> None:
    check(valid, name, valid[other])
    check(valid, name, content)


@pytest.mark.filterwarnings("ignore:Skipping variable loading:UserWarning")  # those of the optimizer
@pytest.mark.parametrize("name", [MODEL, PART])
@settings(max_examples=20)
@given(st.data())
def test_damaged_zip(folder: Path, valid: Files, name: str, data: st.DataObject) -> None:
    """Damage the file, or some of its members before they get their checksums."""
    if data.draw(st.booleans()):
        check(valid, name, data.draw(damaged(valid[name])))
        return
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(valid[name])) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            new.writestr(member, data.draw(damaged(content)) if data.draw(st.booleans()) else content)
    check(valid, name, file.getvalue())


class Payload:
    """Runs a command when its pickle is loaded."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        import os

        return os.system, ("touch canary",)


NUMBERS = [0, 1, -1, 2, 0.5, 5, COLUMNS, COLUMNS - 1, ROWS, 2**31 - 1, -(2**31), 2**40, math.nan, math.inf]
KINDS = ["f4", "f8", "f2", "i4", "i8", "u1", "?", "c8", "U3", "S3", "O", "M8[s]", "f4,i4", ">f4"]
SHAPES: list[Any] = [(ROWS,), (ROWS - 1,), (ROWS + 1,), (), (0,), (ROWS, 1), (1, ROWS), (5, 6)]


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def array_of(kind: str, shape: Any, values: list[float]) -> Any:
    """An array with these values again and again, as far as its type can hold them."""
    with np.errstate(all="ignore"):
        array = np.resize(np.array(values, "f8"), shape)
        if kind == "O":
            return np.resize(np.array([Payload()], object), shape)
        return array.astype("i8" if "i4," in kind or kind.startswith("M") else "f8").astype(kind, casting="unsafe")


ARRAYS = st.builds(
    array_of,
    st.sampled_from(KINDS),
    st.sampled_from(SHAPES),
    st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4),
)


@given(ARRAYS)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_any_labels(folder: Path, valid: Files, array: Any) -> None:
    check(valid, LABELS, npy(array))


@given(st.dictionaries(st.sampled_from(["data", "indices", "indptr", "shape", "format", "_is_array", "x"]), ARRAYS))
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_any_arrays(folder: Path, valid: Files, changed: dict[str, Any]) -> None:
    """Replace arrays of a part."""
    with np.load(io.BytesIO(valid[PART])) as arrays:
        kept = dict(arrays)
    file = io.BytesIO()
    np.savez(file, **{**kept, **changed})
    check(valid, PART, file.getvalue())


@given(st.data())
def test_numbers_in_a_part(folder: Path, valid: Files, data: st.DataObject) -> None:
    """Replace numbers in a part."""
    with np.load(io.BytesIO(valid[PART])) as arrays:
        kept = {name: array.copy() for name, array in arrays.items()}
    for _ in range(data.draw(st.integers(1, 3))):
        array = kept[data.draw(st.sampled_from(["data", "indices", "indptr", "shape"]))]
        number = data.draw(st.sampled_from(NUMBERS))
        if array.dtype.kind == "f" or (math.isfinite(number) and abs(number) < 2**31):
            array[data.draw(st.integers(0, len(array) - 1))] = number
    file = io.BytesIO()
    np.savez(file, **kept)
    check(valid, PART, file.getvalue())


TOKENS = st.none() | st.lists(st.none() | st.sampled_from([0, 1, WORDS, WORDS + 1, -1, 2**31 - 1]), max_size=4)
KINDS_OF_TOKENS = [pa.list_(pa.int32()), pa.list_(pa.int64()), pa.large_list(pa.int32()), pa.list_(pa.float32())]
KINDS_OF_LABELS = [pa.uint8(), pa.int64(), pa.float32(), pa.string()]


def mostly(values: list[Any]) -> st.SearchStrategy[Any]:
    """Most often the first value, because a file with one fault gets further than a file with several."""
    return st.sampled_from([*[values[0]] * 12, *values])


@given(
    st.dictionaries(st.integers(0, ROWS - 1), TOKENS, max_size=2),
    st.dictionaries(st.integers(0, ROWS - 1), st.none() | st.integers(0, 3), max_size=2),
    mostly([ROWS, ROWS - 1, ROWS + 1, 0]),
    st.tuples(mostly(KINDS_OF_TOKENS), mostly(KINDS_OF_LABELS)),
    mostly([["tokens", "label"], ["label", "tokens"], ["label"], ["tokens", "label", "tokens"]]),
)
def test_any_reviews(
    folder: Path, valid: Files, tokens: dict[int, Any], labels: dict[int, Any], rows: int,
    kinds: tuple[pa.DataType, pa.DataType], names: list[str],
) -> None:  # fmt: skip
    columns = {
        "tokens": pa.array([tokens.get(row, [1, row % WORDS + 1]) for row in range(rows)]).cast(kinds[0], safe=False),
        "label": pa.array([labels.get(row, row % 2) for row in range(rows)], pa.int64()).cast(kinds[1], safe=False),
    }
    file = io.BytesIO()
    pq.write_table(pa.table([columns[name] for name in names], names), file)
    check(valid, RAW, file.getvalue())


@given(
    st.dictionaries(st.integers(0, COLUMNS - 1), st.none() | st.text(st.characters(codec="utf-8")), max_size=2),
    mostly([0, 1, -1]),
    mostly([pa.string(), pa.large_string(), pa.binary()]),
    mostly([{"tokenizer": "keras"}, None, {"tokenizer": "x"}, {"tokenizer": b"\xff"}, {"tokenizer": "unicode"}]),
    mostly([0, 1]),
)
def test_any_words(
    folder: Path, valid: Files, changed: dict[int, Any], more: int, kind: pa.DataType, metadata: Any, first: int
) -> None:
    """Write other words to the vocabulary, and to both files of columns."""
    for name, other in ((VOCABULARY, "count"), (OF_FEATURES, "column"), (OF_MODEL, "column")):
        rows = more + (WORDS if name == VOCABULARY else COLUMNS)
        numbers = pa.array(range(first, first + rows), pa.int64() if other == "count" else pa.int32())
        words = pa.array([changed.get(row, f"word{row}") for row in range(rows)], kind)
        table = pa.table({other: numbers, "word": words})
        if other == "count":
            table = table.select(["word", "count"])
        file = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(metadata), file)
        check(valid, name, file.getvalue())


@given(
    st.dictionaries(st.sampled_from(["name", "tokenizer", "train_rows", "test_rows", "sha256", "x"]), VALUES), st.data()
)
@example({"train_rows": "true"}, None)
@example({"train_rows": "9" * 5000}, None)
@example({"train_rows": "-1"}, None)
@example({"train_rows": "[" * 10**5}, None)
@example({"name": '"\\ud800"'}, None)
def test_any_source(folder: Path, valid: Files, changed: dict[str, str], data: st.DataObject | None) -> None:
    kept = {name: json.dumps(value) for name, value in json.loads(valid[SOURCE]).items()}
    if data is not None and data.draw(st.booleans()):
        del kept[data.draw(st.sampled_from(sorted(kept)))]
    content = ", ".join(f'"{name}": {value}' for name, value in {**kept, **changed}.items())
    check(valid, SOURCE, f"{{{content}}}".encode())


CELLS = st.sampled_from(
    ["1", "2", "0", "-1", "3", "0.5", "nan", "inf", "1e999", "", "x", "9" * 5000, "1_0", " 1 ", "\u0661", '"', "\0"]
)


@given(st.lists(st.lists(CELLS, min_size=4, max_size=6).map(",".join), max_size=3), st.booleans())
def test_any_history(folder: Path, valid: Files, rows: list[str], header: bool) -> None:
    names = valid[HISTORY].decode().split("\n")[0]
    check(valid, HISTORY, "\n".join([*([names] if header else []), *rows]).encode())
