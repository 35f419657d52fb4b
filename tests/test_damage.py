"""Every file between stages, damaged in every way that was thought of: what is said of it.

docs/faults.md shows these messages; `UPDATE_DOCS=1 pytest tests/test_damage.py` adds to it those that it lacks.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

from stages.console import UserError
from stages.contracts.features import (
    FEATURES,
    FEATURES_COLUMNS,
    Columns,
    feature_parts,
    read_columns,
    read_labels,
    read_part,
    write_columns,
    write_part,
)
from stages.contracts.model import (
    HISTORY,
    MODEL,
    read_history,
    write_history,
    write_model,
    write_model_columns,
)
from stages.contracts.reviews import (
    RAW,
    SPLITS,
    Reviews,
    Source,
    read_reviews,
    read_source,
    read_vocabulary,
    write_reviews,
    write_source,
    write_vocabulary,
)
from stages.encoding import multi_hot, vocabulary
from stages.evaluate import examples
from stages.inference.network import read
from stages.storage import checked_read
from tests.conftest import example_history, random_reviews

WORDS = [f"word{number}" for number in range(20)]
COLUMNS = Columns([*vocabulary.SPECIAL, *WORDS], "keras")
ROWS = 40
TRAIN, VOCABULARY, SOURCE = (RAW / name for name in ("train/part-00000.parquet", "vocabulary.parquet", "source.json"))
PART = FEATURES / "train" / "part-00000.npz"
LABELS = PART.with_suffix(".labels.npy")


def network(columns: int = len(COLUMNS.words)) -> keras.Sequential:
    made = keras.Sequential([keras.Input((columns,)), keras.layers.Dense(1, "sigmoid")])
    made.compile("sgd", "binary_crossentropy")
    return made


@pytest.fixture
def project(folder: Path) -> Path:
    """A working directory with one of each file, all of one run."""
    given = random_reviews(ROWS, len(WORDS), seed=1)
    RAW.mkdir(parents=True)
    for split in SPLITS:
        write_reviews(RAW, split, [given])
        write_part(FEATURES, split, 0, multi_hot.encode(given, len(COLUMNS.words)))
    write_vocabulary(RAW, WORDS, np.arange(len(WORDS), 0, -1, dtype=np.int64))
    write_source(RAW, Source("made up", "keras", ROWS, ROWS, "0" * 64))
    write_columns(FEATURES_COLUMNS, COLUMNS)
    write_model_columns(COLUMNS)
    write_model(network(), COLUMNS)
    write_history(example_history(0.6, 0.6, 0.6))
    return folder


def read_all() -> None:
    """Read each file as the stages do."""
    read_part.cache_clear()
    read_source()
    read_vocabulary()
    list(read_reviews("train", 7))
    columns = read_columns()
    for part in feature_parts("train"):
        read_labels(part)
        read_part(part)
    read_history()
    read(columns)


def test_what_is_whole_is_read(project: Path) -> None:
    read_all()


def instead(old: bytes, new: bytes) -> Callable[[Path], None]:
    return lambda path: rewrite(path, path.read_bytes().replace(old, new))


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def values_miscounted(path: Path) -> None:
    """Found by fuzzing: Arrow reads a table without rows, and says nothing."""
    content = bytearray(path.read_bytes())
    content[591] = 0
    path.write_bytes(b"P" + content)
    assert (len(pq.read_table(path)), pq.read_metadata(path).num_rows) == (0, len(WORDS))


def damage_middle(path: Path) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"damage" + content[middle + 6 :])


def table(**columns: Any) -> Callable[[Path], None]:
    """Put other columns into a Parquet file, those not named as they were, with the metadata that it had."""

    def change(path: Path) -> None:
        found = pq.read_table(path)
        for name, values in columns.items():
            array = values(found.column(name)) if callable(values) else values
            found = found.set_column(found.column_names.index(name), name, array)
        pq.write_table(found, path)

    return change


def with_metadata(metadata: dict[str, str]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)


def array(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda path: np.save(path, change(np.load(path)))


def members(**changes: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change arrays in an npz file."""

    def change(path: Path) -> None:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        np.savez(path, **{name: changes.get(name, lambda array: array)(array) for name, array in arrays.items()})

    return change


def member(name: str, change: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    """Change a member of a zip file, or take it out."""

    def rewritten(path: Path) -> None:
        with zipfile.ZipFile(path) as file:
            contents = {each: file.read(each) for each in file.namelist()}
        with zipfile.ZipFile(path, "w") as file:
            for each, content in contents.items():
                changed = change(content) if each == name else content
                if changed is not None:
                    file.writestr(each, changed)

    return rewritten


def with_first(value: Any) -> Callable[[Any], Any]:
    """An array whose first value is another."""

    def change(values: Any) -> Any:
        values = values.copy()
        values.flat[0] = value
        return values

    return change


def first_row_reversed(values: Any) -> Any:
    """Column indices of the first row, which has the start column first, the other way round."""
    values = values.copy()
    ends = np.flatnonzero(values == vocabulary.START)
    values[: ends[1]] = values[: ends[1]][::-1]
    return values


def pickled(path: Path) -> None:
    """An array of objects whose pickle would leave a file `ran` behind, if it were loaded."""

    class Payload:
        def __reduce__(self) -> Any:
            return open, ("ran", "w")

    content = io.BytesIO()
    np.save(content, np.array([Payload()], object), allow_pickle=True)
    if path.suffix == ".npy":
        path.write_bytes(content.getvalue())
    else:
        member("data.npy", lambda _: content.getvalue())(path)


def fewer_rows(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(1), path)


def not_a_number(path: Path) -> None:
    made = network()
    made.set_weights([np.full_like(weights, np.nan) for weights in made.get_weights()])
    write_model(made, COLUMNS)


def one_bit(path: Path) -> None:
    """Change numbers 1 to the next larger float32: only the CRC of the zip member shows it."""
    one, next_larger = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    content = path.read_bytes()
    assert one.tobytes() in content
    rewrite(path, content.replace(one.tobytes(), next_larger.tobytes()))


def one_bit_of_a_weight(path: Path) -> None:
    made = network()
    made.set_weights([np.ones_like(weights) for weights in made.get_weights()])
    write_model(made, COLUMNS)
    one_bit(path)


def running_code(path: Path) -> None:
    """A model with a layer of Python's bytecode, which would leave a file `ran` behind."""
    made = keras.Sequential(
        [
            keras.Input((len(COLUMNS.words),)),
            keras.layers.Dense(1, "sigmoid"),
            keras.layers.Lambda(lambda value: (Path("ran").write_text(""), value)[1]),
        ]
    )
    made.compile("sgd", "binary_crossentropy")
    write_model(made, COLUMNS)
    Path("ran").unlink()


EMPTY, TEXT = (lambda path: rewrite(path, b"")), (lambda path: rewrite(path, b"not what it should be\n"))

DAMAGE: list[tuple[Path, str, Callable[[Path], None]]] = [
    *((path, "missing", Path.unlink) for path in (TRAIN, VOCABULARY, SOURCE, PART, LABELS)),
    *((path, "missing", Path.unlink) for path in (FEATURES_COLUMNS, MODEL, HISTORY)),
    *((path, "empty", EMPTY) for path in (TRAIN, VOCABULARY, SOURCE, PART, LABELS)),
    *((path, "empty", EMPTY) for path in (FEATURES_COLUMNS, MODEL, HISTORY)),
    *((path, "truncated", cut) for path in (TRAIN, VOCABULARY, SOURCE, PART, LABELS)),
    *((path, "truncated", cut) for path in (FEATURES_COLUMNS, MODEL)),
    *((path, "some text", TEXT) for path in (TRAIN, SOURCE, PART, LABELS, MODEL, HISTORY)),
    (TRAIN, "bytes in its middle overwritten", damage_middle),
    (PART, "a value changed by one bit", one_bit),
    (MODEL, "a weight changed by one bit", one_bit_of_a_weight),
    (TRAIN, "labels of another type", table(label=lambda column: column.cast(pa.int64()))),
    (TRAIN, "a label missing", table(label=lambda column: pa.array([None, *column.to_pylist()[1:]], pa.uint8()))),
    (TRAIN, "a label 2", table(label=lambda column: pa.array([2, *column.to_pylist()[1:]], pa.uint8()))),
    (
        TRAIN,
        "a rank 0",
        table(tokens=lambda column: pa.array([[0], *column.to_pylist()[1:]], pa.list_(pa.int32()))),
    ),
    (
        TRAIN,
        "a rank past the vocabulary",
        table(tokens=lambda column: pa.array([[21], *column.to_pylist()[1:]], pa.list_(pa.int32()))),
    ),
    (TRAIN, "a row missing", fewer_rows),
    (VOCABULARY, "a word missing", table(word=pa.array([None, *WORDS[1:]], pa.string()))),
    (VOCABULARY, "a column that has lost count", values_miscounted),
    (VOCABULARY, "counts of another type", table(count=lambda column: column.cast(pa.float64()))),
    (SOURCE, "a key missing", instead(b'"tokenizer"', b'"cutter"')),
    (SOURCE, "rows in words", instead(b"40", b'"forty"')),
    (SOURCE, "an unknown tokenizer", instead(b"keras", b"other")),
    (PART, "a pickle that runs code", pickled),
    (PART, "another type", members(data=lambda data: data.astype(np.float64))),
    (PART, "another format", lambda path: scipy.sparse.save_npz(path, scipy.sparse.load_npz(path).tocsc())),
    (PART, "indices out of order", members(indices=first_row_reversed)),
    (PART, "an index twice", members(indices=lambda indices: np.r_[indices[:1], indices[:1], indices[2:]])),
    (PART, "an index past the last column", members(indices=lambda indices: np.r_[indices[:-1], np.int32(24)])),
    (PART, "a negative index", members(indices=with_first(-1))),
    (PART, "row ends out of order", members(indptr=lambda ends: np.r_[ends[0], ends[2], ends[1], ends[3:]])),
    (PART, "a value that is no number", members(data=with_first(np.nan))),
    (PART, "another number of columns", members(shape=lambda shape: np.array([shape[0], shape[1] + 1]))),
    (PART, "more rows than labels", lambda path: array(lambda labels: labels[1:])(LABELS)),
    (LABELS, "a pickle that runs code", pickled),
    (LABELS, "another type", array(lambda labels: labels.astype(np.float64))),
    (LABELS, "another shape", array(lambda labels: labels[:, None])),
    (LABELS, "a label 0.5", array(with_first(0.5))),
    (LABELS, "a label that is no number", array(with_first(np.nan))),
    (FEATURES_COLUMNS, "no tokenizer", with_metadata({})),
    (FEATURES_COLUMNS, "an unknown tokenizer", with_metadata({"tokenizer": "other"})),
    (FEATURES_COLUMNS, "a column twice", table(column=pa.array([0, 0, *range(2, 24)], pa.int32()))),
    (MODEL, "no metadata", member("metadata.json", lambda _: None)),
    (MODEL, "weights that are no numbers", not_a_number),
    (MODEL, "a layer that runs code", running_code),
    (MODEL, "a model of another width", lambda path: write_model(network(5), COLUMNS)),
    (
        MODEL,
        "a model of other words",
        lambda path: write_model(network(), Columns(COLUMNS.words[::-1], "keras")),
    ),
    (HISTORY, "another header", instead(b"val_loss", b"loss")),
    (HISTORY, "a word for a number", instead(b"0.700000", b"high")),
    (HISTORY, "a loss that is no number", instead(b"0.500000", b"nan")),
    (HISTORY, "an epoch missing", instead(b"\n2,", b"\n3,")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "what", "damage"), DAMAGE, ids=[f"{path.name}-{what}" for path, what, _ in DAMAGE])
def test_damage_is_named_with_its_file_and_its_remedy(
    project: Path, path: Path, what: str, damage: Callable[[Path], None]
) -> None:
    damage(path)
    with pytest.raises(UserError) as caught:
        read_all()
    message = str(caught.value)
    assert message.startswith(str(path if path.exists() or path != PART else PART.parent))
    assert "`dvc repro" in message
    assert len(message) < 400
    assert "\n" not in message
    assert not Path("ran").exists()


@pytest.mark.parametrize("bug", [TypeError, AttributeError, NameError, IndexError, ZeroDivisionError])
def test_a_bug_is_not_taken_for_a_damaged_file(bug: type[Exception]) -> None:
    with pytest.raises(bug), checked_read(TRAIN, "download"):
        raise bug


def test_reviews_of_another_run_than_the_features_are_noticed(project: Path) -> None:
    labels = read_labels(feature_parts("test")[0])
    probabilities = np.linspace(0, 1, ROWS, dtype=np.float32)
    assert sum(map(len, examples.find_examples(read(COLUMNS), labels, probabilities, 0.5, pd.DataFrame()).values())) > 3
    given = random_reviews(ROWS, len(WORDS), seed=1)
    write_reviews(RAW, "test", [Reviews(given.tokens, given.offsets, 1 - given.labels)])
    message = "data/raw and data/features come from two different runs: run `dvc repro`"
    with pytest.raises(UserError, match=message):
        examples.find_examples(read(COLUMNS), labels, probabilities, 0.5, pd.DataFrame())
    write_reviews(RAW, "test", [given])
    write_vocabulary(RAW, WORDS[::-1], np.arange(len(WORDS), 0, -1, dtype=np.int64))
    with pytest.raises(UserError, match=message):
        examples.find_examples(read(COLUMNS), labels, probabilities, 0.5, pd.DataFrame())


def test_the_model_keeps_what_its_columns_are(project: Path) -> None:
    """In its metadata, where Keras itself does not look."""
    with zipfile.ZipFile(MODEL) as file:
        assert json.loads(file.read("metadata.json"))["columns_sha256"] == COLUMNS.sha256
    assert keras.models.load_model(MODEL).input_shape == (None, len(COLUMNS.words))
