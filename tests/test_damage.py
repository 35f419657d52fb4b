"""Damage each file between stages in many ways: the error names the file and the command that restores it."""

import io
import math
import re
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
from stages.contracts import features, model, reviews
from stages.contracts.features import FEATURES, FEATURES_COLUMNS, Columns
from stages.contracts.model import HISTORY, HOLDOUT, MODEL, MODEL_COLUMNS, THRESHOLD
from stages.contracts.reviews import RAW, SPLITS, Reviews, Source
from stages.encoding import multi_hot, vocabulary
from stages.evaluate import examples
from stages.evaluate.predictions import Predictions
from stages.inference import network
from stages.storage import checked_read
from tests.conftest import example_history, random_reviews
from tests.download.test_imdb import Payload

WORDS = [f"word{number}" for number in range(20)]
COLUMNS = Columns([*vocabulary.SPECIAL, *WORDS], "keras")
REVERSED = Columns(COLUMNS.words[::-1], "keras")
ROWS = 40
TRAIN, VOCABULARY, SOURCE = (RAW / name for name in ("train/part-00000.parquet", "vocabulary.parquet", "source.json"))
PART = FEATURES / "train" / "part-00000.npz"
LABELS = PART.with_suffix(".labels.npy")


def small_network(columns: int = len(COLUMNS.words)) -> keras.Sequential:
    made = keras.Sequential([keras.Input((columns,)), keras.layers.Dense(1, "sigmoid")])
    made.compile("adam", "binary_crossentropy")
    return made


def write_all() -> None:
    """Write one of each file into the working directory, all of one run."""
    given = random_reviews(ROWS, len(WORDS), seed=1)
    RAW.mkdir(parents=True)
    for split in SPLITS:
        reviews.write_reviews(RAW, split, [given])
        features.write_part(FEATURES, split, 0, multi_hot.encode(given, len(COLUMNS.words)))
    reviews.write_vocabulary(RAW, WORDS, np.arange(len(WORDS), 0, -1, dtype=np.int64))
    reviews.write_source(RAW, Source("made up", "keras", ROWS, ROWS, "0" * 64))
    features.write_columns(FEATURES_COLUMNS, COLUMNS)
    model.write_model_columns(COLUMNS)
    model.write_model(small_network(), COLUMNS)
    model.write_history(example_history(0.6, 0.6, 0.6))
    model.write_holdout(given.labels.astype(np.float32), np.linspace(0, 1, ROWS, dtype=np.float32))
    model.write_threshold(0.5)


@pytest.fixture
def project(folder: Path) -> Path:
    """A working directory with one of each file."""
    write_all()
    return folder


def read_all() -> None:
    """Read each file as the stages do."""
    features.read_part.cache_clear()
    reviews.read_source()
    reviews.read_vocabulary()
    list(reviews.read_reviews("train", 7))
    columns = features.read_columns()
    for part in features.feature_parts("train"):
        features.read_labels(part)
        features.read_part(part)
    model.read_history()
    network.read(columns)
    features.read_columns(MODEL_COLUMNS)
    model.read_holdout()
    model.read_threshold()


def test_undamaged_files_are_read(project: Path) -> None:
    read_all()


def content(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def overwritten(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + b"damage" + data[middle + 6 :]


def instead(old: bytes, new: bytes) -> Callable[[Path], object]:
    return content(lambda data: data.replace(old, new))


def lose_rows(path: Path) -> None:
    """Set the number of values of a column to 0. Arrow then reads a table without rows, and raises nothing."""
    data = bytearray(path.read_bytes())
    data[591] = 0
    path.write_bytes(b"P" + data)
    assert (len(pq.read_table(path)), pq.read_metadata(path).num_rows) == (0, len(WORDS))


def table(**columns: Any) -> Callable[[Path], None]:
    """Replace columns of a Parquet file. The other columns and the metadata stay."""

    def change(path: Path) -> None:
        found = pq.read_table(path)
        for name, values in columns.items():
            array = values(found.column(name)) if callable(values) else values
            found = found.set_column(found.column_names.index(name), name, array)
        pq.write_table(found, path)

    return change


def first_tokens(ranks: list[int]) -> Callable[[pa.Array], pa.Array]:
    return lambda column: pa.array([ranks, *column.to_pylist()[1:]], column.type)


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
    """Change a member of a zip file, or remove it."""

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
    """Replace the first value of an array."""

    def change(values: Any) -> Any:
        values = values.copy()
        values.flat[0] = value
        return values

    return change


def first_row_reversed(values: Any) -> Any:
    """Reverse the column indices of the first row. Each row begins with the start column."""
    values = values.copy()
    ends = np.flatnonzero(values == vocabulary.START)
    values[: ends[1]] = values[: ends[1]][::-1]
    return values


def pickled(path: Path) -> None:
    """Write an array of objects whose pickle would create the file `canary` if it were loaded."""
    content = io.BytesIO()
    np.save(content, np.array([Payload()], object), allow_pickle=True)
    if path.suffix == ".npy":
        path.write_bytes(content.getvalue())
    else:
        member("data.npy", lambda _: content.getvalue())(path)


def weights(value: float) -> None:
    made = small_network()
    made.set_weights([np.full_like(each, value) for each in made.get_weights()])
    model.write_model(made, COLUMNS)


def one_bit(path: Path) -> None:
    """Change numbers 1 to the next larger float32: only the CRC of the zip member shows it."""
    one, next_larger = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    assert one.tobytes() in path.read_bytes()
    instead(one.tobytes(), next_larger.tobytes())(path)


def one_bit_of_a_weight(path: Path) -> None:
    weights(1.0)
    one_bit(path)


def running_code(path: Path) -> None:
    """Write a model with a layer of Python bytecode that would create the file `canary`."""
    made = small_network()
    made.add(keras.layers.Lambda(lambda value: (Path("canary").write_text(""), value)[1]))
    made.compile("adam", "binary_crossentropy")
    model.write_model(made, COLUMNS)
    Path("canary").unlink()


STAGES = {
    **dict.fromkeys((TRAIN, VOCABULARY, SOURCE), "download"),
    **dict.fromkeys((PART, LABELS, FEATURES_COLUMNS), "vectorize"),
    **dict.fromkeys((MODEL, MODEL_COLUMNS, HISTORY, HOLDOUT), "train"),
    THRESHOLD: "evaluate",
}
"""The stage that writes each file."""

DAMAGE: list[tuple[Path, str, Callable[[Path], object]]] = [
    *((path, "missing", Path.unlink) for path in STAGES),
    *((path, "empty", lambda path: path.write_bytes(b"")) for path in STAGES),
    *((path, "truncated", content(lambda data: data[: len(data) // 2])) for path in STAGES if path != HISTORY),
    *((path, "some text", lambda path: path.write_text("not what it should be\n")) for path in STAGES),
    (TRAIN, "bytes in its middle overwritten", content(overwritten)),
    (PART, "a value changed by one bit", one_bit),
    (MODEL, "a weight changed by one bit", one_bit_of_a_weight),
    (TRAIN, "labels of another type", table(label=lambda column: column.cast(pa.int64()))),
    (TRAIN, "a label missing", table(label=lambda column: pa.array([None, *column.to_pylist()[1:]], pa.uint8()))),
    (TRAIN, "a label 2", table(label=lambda column: pa.array([2, *column.to_pylist()[1:]], pa.uint8()))),
    (TRAIN, "a rank 0", table(tokens=first_tokens([0]))),
    (TRAIN, "a rank past the vocabulary", table(tokens=first_tokens([len(WORDS) + 1]))),
    (TRAIN, "a row missing", lambda path: pq.write_table(pq.read_table(path).slice(1), path)),
    (VOCABULARY, "a word missing", table(word=pa.array([None, *WORDS[1:]], pa.string()))),
    (VOCABULARY, "a column without its values", lose_rows),
    (VOCABULARY, "counts of another type", table(count=lambda column: column.cast(pa.float64()))),
    (SOURCE, "a key missing", instead(b'"tokenizer"', b'"cutter"')),
    (SOURCE, "a number of rows in words", instead(b"40", b'"forty"')),
    (SOURCE, "an unknown tokenizer", instead(b"keras", b"other")),
    (PART, "a pickle that runs code", pickled),
    (PART, "another type", members(data=lambda data: data.astype(np.float64))),
    (PART, "another format", lambda path: scipy.sparse.save_npz(path, scipy.sparse.load_npz(path).tocsc())),
    (PART, "indices out of order", members(indices=first_row_reversed)),
    (PART, "an index twice", members(indices=lambda indices: np.r_[indices[:1], indices[:1], indices[2:]])),
    (PART, "an index past the last column", members(indices=lambda indices: np.r_[indices[:-1], np.int32(24)])),
    (PART, "a negative index", members(indices=with_first(-1))),
    (PART, "row ends out of order", members(indptr=lambda ends: np.r_[ends[0], ends[2], ends[1], ends[3:]])),
    (PART, "a value NaN", members(data=with_first(np.nan))),
    (PART, "an infinite value", members(data=with_first(np.inf))),
    (PART, "another number of columns", members(shape=lambda shape: np.array([shape[0], shape[1] + 1]))),
    (PART, "more rows than labels", lambda path: array(lambda labels: labels[1:])(LABELS)),
    (LABELS, "a pickle that runs code", pickled),
    (LABELS, "another type", array(lambda labels: labels.astype(np.float64))),
    (LABELS, "another shape", array(lambda labels: labels[:, None])),
    (LABELS, "a label 0.5", array(with_first(0.5))),
    (LABELS, "a label NaN", array(with_first(np.nan))),
    (FEATURES_COLUMNS, "no tokenizer", with_metadata({})),
    (FEATURES_COLUMNS, "an unknown tokenizer", with_metadata({"tokenizer": "other"})),
    (FEATURES_COLUMNS, "a column twice", table(column=pa.array([0, 0, *range(2, 24)], pa.int32()))),
    (MODEL, "no metadata", member("metadata.json", lambda _: None)),
    (MODEL, "weights NaN", lambda _: weights(math.nan)),
    (MODEL, "a layer that runs code", running_code),
    (MODEL, "a model of another width", lambda _: model.write_model(small_network(5), COLUMNS)),
    (MODEL, "a model of other words", lambda _: model.write_model(small_network(), REVERSED)),
    (HISTORY, "another header", instead(b"val_loss", b"loss")),
    (HISTORY, "a number in words", instead(b"0.700000", b"high")),
    (HISTORY, "a loss NaN", instead(b"0.500000", b"nan")),
    (HISTORY, "an epoch missing", instead(b"\n2,", b"\n3,")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "what", "damage"), DAMAGE, ids=[f"{path}-{what}" for path, what, _ in DAMAGE])
def test_an_error_names_the_damaged_file_and_the_command_that_restores_it(
    project: Path, path: Path, what: str, damage: Callable[[Path], object]
) -> None:
    damage(path)
    with pytest.raises(UserError) as caught:
        read_all()
    message = str(caught.value)
    assert message.startswith(str(path if path.exists() or path != PART else PART.parent))
    remedy = f"`dvc repro( --force --single-item)? {STAGES[path]}`"
    assert re.search(f"{remedy}|come from two different runs: run `dvc repro`", message)
    assert len(message) < 400
    assert "\n" not in message
    assert not Path("canary").exists()


@pytest.mark.parametrize("bug", [TypeError, AttributeError, NameError, IndexError, ZeroDivisionError])
def test_a_bug_keeps_its_exception(bug: type[Exception]) -> None:
    with pytest.raises(bug), checked_read(TRAIN, "download"):
        raise bug


def test_damage_without_a_message_is_named_by_its_exception() -> None:
    with pytest.raises(UserError, match=r"a.npz is damaged \(EOFError\)"), checked_read(Path("a.npz"), "train"):
        raise EOFError


def test_reviews_and_features_of_two_runs_are_an_error(project: Path) -> None:
    labels = features.read_labels(features.feature_parts("test")[0])
    predictions = Predictions(labels, np.linspace(0, 1, ROWS, dtype=np.float32), np.zeros(ROWS), 0.5)

    def find() -> dict[str, list[examples.Example]]:
        return examples.find_examples(network.read(COLUMNS), predictions, pd.DataFrame())

    given = random_reviews(ROWS, len(WORDS), seed=1)
    tokens = np.split(given.tokens, given.offsets[1:-1])
    shown = [example for some in find().values() for example in some]
    assert len(shown) > 3
    for example in shown:
        assert [word.text for word in example.words] == [WORDS[token - 1] for token in tokens[example.row]]
        assert (example.positive, example.probability) == (labels[example.row], predictions.probabilities[example.row])
    reviews.write_reviews(RAW, "test", [Reviews(given.tokens, given.offsets, 1 - given.labels)])
    message = "data/raw and data/features come from two different runs: run `dvc repro`"
    with pytest.raises(UserError, match=message):
        find()
    reviews.write_reviews(RAW, "test", [given])
    reviews.write_vocabulary(RAW, WORDS[::-1], np.arange(len(WORDS), 0, -1, dtype=np.int64))
    with pytest.raises(UserError, match=message):
        find()
