"""Damage files between stages at random: reading one gives valid values, or an error that names the file."""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.contracts import features, model, reviews
from stages.contracts.features import FEATURES_COLUMNS, read_columns, read_part
from stages.contracts.model import HISTORY, HOLDOUT, MODEL, MODEL_COLUMNS, THRESHOLD
from stages.inference import network
from tests.download.test_imdb import Payload
from tests.fuzz.given import answer, check_batch, damaged
from tests.fuzz.test_params import VALUES
from tests.test_damage import COLUMNS, LABELS, PART, ROWS, SOURCE, TRAIN, VOCABULARY, WORDS, content, member, write_all

Files = dict[Path, bytes]


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the stages write, small, by path."""
    with chdir(tmp_path_factory.mktemp("valid")):
        write_all()
        return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


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


def check_part(columns: int) -> None:
    read_part.cache_clear()
    (path,) = features.feature_parts("train")
    part = read_part(path)
    matrix = part.matrix
    matrix.check_format(full_check=True)
    # A matrix made anew from the arrays has SciPy look for itself.
    assert scipy.sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), matrix.shape).has_canonical_format
    assert matrix.format == "csr"
    assert matrix.dtype == part.labels.dtype == np.float32
    assert matrix.shape == (*part.labels.shape, columns)
    assert np.isfinite(matrix.data).all()
    assert set(part.labels.tolist()) <= {0, 1}
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
    columns = read_columns(MODEL_COLUMNS)
    found = network.read(columns)
    assert found.columns == len(columns.words)
    (probability,) = found.predict(scipy.sparse.csr_matrix((1, found.columns), dtype=np.float32))
    assert 0 <= probability <= 1


def check_features() -> None:
    check_part(check_columns(FEATURES_COLUMNS))


CHECKS: dict[Path, Callable[[], object]] = {
    **dict.fromkeys((TRAIN, VOCABULARY, SOURCE), check_raw),
    **dict.fromkeys((PART, LABELS, FEATURES_COLUMNS), check_features),
    MODEL_COLUMNS: lambda: check_columns(MODEL_COLUMNS),
    HISTORY: check_history,
    HOLDOUT: check_holdout,
    THRESHOLD: check_threshold,
    MODEL: check_model,
}
SMALL = st.sampled_from([path for path in CHECKS if path != MODEL])


def write(files: Files) -> None:
    for path, whole in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(whole)


def check(files: Files, changed: Path, write_changed: Callable[[Path], object]) -> None:
    """Write the files, one of them with another content, and read it with those that belong to it."""
    write(files)
    write_changed(changed)
    answer(CHECKS[changed], naming=map(str, files))


def test_undamaged_files_are_read(folder: Path, valid: Files) -> None:
    write(valid)
    for check_file in CHECKS.values():
        check_file()


@given(SMALL, st.data())
def test_damaged_file(folder: Path, valid: Files, path: Path, data: st.DataObject) -> None:
    check(valid, path, content(lambda whole: data.draw(damaged(whole))))


@given(SMALL, SMALL, st.binary())
def test_another_file(folder: Path, valid: Files, path: Path, other: Path, binary: bytes) -> None:
    check(valid, path, content(lambda _: valid[other]))
    check(valid, path, content(lambda _: binary))


@pytest.mark.filterwarnings("ignore:Skipping variable loading:UserWarning")  # those of the optimizer
@pytest.mark.parametrize("path", [MODEL, PART])
@settings(max_examples=20)
@given(st.data())
def test_damaged_zip(folder: Path, valid: Files, path: Path, data: st.DataObject) -> None:
    """Damage the file, or some of its members before they get their checksums."""

    def damage(path: Path) -> None:
        if data.draw(st.booleans()):
            content(lambda whole: data.draw(damaged(whole)))(path)
            return
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
        for name in names:
            if data.draw(st.booleans()):
                member(name, lambda whole: data.draw(damaged(whole)))(path)

    check(valid, path, damage)


WIDTH = len(COLUMNS.words)
NUMBERS = [0, 1, -1, 2, 0.5, 5, WIDTH, WIDTH - 1, ROWS, 2**31 - 1, -(2**31), 2**40, math.nan, math.inf]
KINDS = ["f4", "f8", "f2", "i4", "i8", "u1", "?", "c8", "U3", "S3", "O", "M8[s]", "f4,i4", ">f4"]
SHAPES: list[Any] = [(ROWS,), (ROWS - 1,), (ROWS + 1,), (), (0,), (ROWS, 1), (1, ROWS), (5, ROWS // 5)]


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
    check(valid, LABELS, lambda path: np.save(path, array))


@given(st.dictionaries(st.sampled_from(["data", "indices", "indptr", "shape", "format", "_is_array", "x"]), ARRAYS))
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning", "ignore:Casting complex values")
def test_any_arrays(folder: Path, valid: Files, changed: dict[str, Any]) -> None:
    """Replace arrays of a part."""
    kept = np.load(io.BytesIO(valid[PART]))
    check(valid, PART, lambda path: np.savez(path, **{**kept, **changed}))


@given(st.data())
def test_numbers_in_a_part(folder: Path, valid: Files, data: st.DataObject) -> None:
    """Replace numbers in a part."""
    kept = dict(np.load(io.BytesIO(valid[PART])))
    for _ in range(data.draw(st.integers(1, 3))):
        array = kept[data.draw(st.sampled_from(["data", "indices", "indptr", "shape"]))]
        number = data.draw(st.sampled_from(NUMBERS))
        if array.dtype.kind == "f" or (math.isfinite(number) and abs(number) < 2**31):
            array[data.draw(st.integers(0, len(array) - 1))] = number
    check(valid, PART, lambda path: np.savez(path, **kept))


RANKS = st.none() | st.sampled_from([0, 1, len(WORDS), len(WORDS) + 1, -1, 2**31 - 1])
TOKENS = st.none() | st.lists(RANKS, max_size=4)
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
        "tokens": pa.array([tokens.get(row, [1, row % 20 + 1]) for row in range(rows)]).cast(kinds[0], safe=False),
        "label": pa.array([labels.get(row, row % 2) for row in range(rows)], pa.int64()).cast(kinds[1], safe=False),
    }
    table = pa.table([columns[name] for name in names], names)
    check(valid, TRAIN, lambda path: pq.write_table(table, path))


@given(
    st.dictionaries(st.integers(0, len(WORDS) - 1), st.none() | st.text(st.characters(codec="utf-8")), max_size=2),
    mostly([0, 1, -1]),
    mostly([pa.string(), pa.large_string(), pa.binary()]),
    mostly([{"tokenizer": "keras"}, None, {"tokenizer": "x"}, {"tokenizer": b"\xff"}, {"tokenizer": "unicode"}]),
    mostly([0, 1]),
)
def test_any_words(
    folder: Path, valid: Files, changed: dict[int, Any], more: int, kind: pa.DataType, metadata: Any, first: int
) -> None:
    """Write other words to the vocabulary, and to both files of columns."""
    for path, other in ((VOCABULARY, "count"), (FEATURES_COLUMNS, "column"), (MODEL_COLUMNS, "column")):
        table = pq.read_table(io.BytesIO(valid[path]))
        rows = len(table) + more
        replaced = {
            "word": pa.array([changed.get(row, f"word{row}") for row in range(rows)], kind),
            other: pa.array(range(first, first + rows), table.schema.field(other).type),
        }
        table = pa.table([replaced[name] for name in table.column_names], table.column_names, metadata=metadata)
        check(valid, path, lambda path, table=table: pq.write_table(table, path))  # type: ignore[misc]


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
    pairs = ", ".join(f'"{name}": {value}' for name, value in {**kept, **changed}.items())
    check(valid, SOURCE, lambda path: path.write_bytes(f"{{{pairs}}}".encode()))


CELLS = st.sampled_from(
    ["1", "2", "0", "-1", "3", "0.5", "nan", "inf", "1e999", "", "x", "9" * 5000, "1_0", " 1 ", "\u0661", '"', "\0"]
)


@given(st.lists(st.lists(CELLS, min_size=4, max_size=6).map(",".join), max_size=3), st.booleans())
def test_any_history(folder: Path, valid: Files, rows: list[str], header: bool) -> None:
    names = valid[HISTORY].decode().split("\n")[:header]
    check(valid, HISTORY, lambda path: path.write_bytes("\n".join([*names, *rows]).encode()))
