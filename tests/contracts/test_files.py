"""Files between stages are read as they were written, atomic and reproducible."""

import errno
import json
import os
import re
import zipfile
from pathlib import Path
from unittest.mock import Mock

import keras
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scipy.sparse

from checks import old_keras
from stages import storage
from stages.console import UserError
from stages.contracts import reviews as contract
from stages.contracts.features import (
    FEATURES,
    FEATURES_COLUMNS,
    Columns,
    Features,
    feature_parts,
    read_columns,
    read_part,
    write_columns,
)  # fmt: skip
from stages.contracts.model import (
    HISTORY,
    MODEL,
    MODEL_COLUMNS,
    best_epoch,
    read_history,
    read_model,
    write_history,
    write_model,
    write_model_columns,
)  # fmt: skip
from stages.contracts.reviews import RAW, read_reviews, read_some_reviews
from stages.encoding import TokenizerName
from tests.conftest import (
    all_features,
    example_history,
    random_reviews,
    token_lists,
    write_features,
    write_reviews,
)


@pytest.mark.parametrize(("written", "read"), [([100], 100), ([30, 70], 100), ([100], 7), ([30, 50, 20], 45)])
def test_reviews_are_read_in_order_for_any_batch_size(folder: Path, written: list[int], read: int) -> None:
    given = [random_reviews(rows, words=50, seed=rows) for rows in written]
    tokens = [each for batch in given for each in token_lists(batch)]
    write_reviews("train", given, 100, words=50)
    batches = list(read_reviews("train", read))
    assert max(len(batch) for batch in batches) <= read
    assert [each for batch in batches for each in token_lists(batch)] == tokens
    labels, expected = (np.concatenate([batch.labels for batch in each]) for each in (batches, given))
    np.testing.assert_array_equal(labels, expected)
    table = pq.read_table(RAW / "train/part-00000.parquet")  # the contract of data/raw
    assert [str(kind) for kind in table.schema.types] == ["list<element: int32>", "uint8"]
    assert table.column("tokens").to_pylist() == tokens


def test_some_reviews_are_read_in_the_requested_order(folder: Path) -> None:
    reviews = random_reviews(2500, words=50, seed=1)
    write_reviews("test", [reviews], 2500, words=50)
    rows = [2499, 0, 1000, 999, 0]
    some = read_some_reviews("test", rows)
    assert token_lists(some) == [token_lists(reviews)[row] for row in rows]
    assert some.labels.tolist() == [reviews.labels[row] for row in rows]
    assert len(read_some_reviews("test", [])) == 0
    with pytest.raises(UserError, match="2500 rows"):
        read_some_reviews("test", [0, 2500])


@pytest.mark.parametrize("parts", [1, 3])
def test_features_are_read_as_scipy_reads_them(folder: Path, parts: int) -> None:
    matrix = scipy.sparse.random(20, 9, 0.3, "csr", dtype=np.float32, rng=np.random.default_rng(0))
    features = Features(matrix, np.arange(20, dtype=np.float32) % 2)
    write_features(features, "train", parts)
    paths = feature_parts("train")
    assert [path.name for path in paths] == [f"part-{number:05d}.npz" for number in range(parts)]
    read = [read_part(path) for path in paths]
    np.testing.assert_array_equal(np.vstack([part.matrix.toarray() for part in read]), matrix.toarray())
    np.testing.assert_array_equal(all_features("train").matrix.toarray(), matrix.toarray())
    np.testing.assert_array_equal(np.concatenate([part.labels for part in read]), features.labels)


@pytest.mark.parametrize("tokenizer", ["keras", "unicode"])
def test_columns_are_read_as_written(folder: Path, tokenizer: TokenizerName) -> None:
    columns = Columns(["<start>", "the", "naïve", "हिन्दी", "it's", "null"], tokenizer)
    FEATURES.mkdir(parents=True)
    write_columns(FEATURES_COLUMNS, columns)
    write_model_columns(columns)
    assert FEATURES_COLUMNS.read_bytes() == MODEL_COLUMNS.read_bytes()
    assert read_columns() == read_columns(MODEL_COLUMNS) == columns
    table = pq.read_table(MODEL_COLUMNS)  # the contract of models/
    assert table.to_pylist() == [{"column": column, "word": word} for column, word in enumerate(columns.words)]
    assert table.schema.metadata == {b"tokenizer": tokenizer.encode()}


def test_history_is_rounded_to_six_decimals(folder: Path) -> None:
    history = example_history(1 / 3, 0.3)
    write_history(history)
    assert HISTORY.read_text().splitlines() == [
        "epoch,loss,binary_accuracy,val_loss,val_binary_accuracy",
        "1,0.500000,0.750000,0.333333,0.700000",
        "2,0.500000,0.750000,0.300000,0.700000",
    ]
    pd.testing.assert_frame_equal(read_history(), history.round(6))


def test_the_best_epoch_is_the_first_with_the_lowest_validation_loss() -> None:
    assert best_epoch(example_history(0.5, 0.3, 0.3, 0.4)) == 2


FIVE = Columns(list("abcde"), "keras")


def small_network() -> keras.Model:
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [keras.Input((5,), name="in"), keras.layers.Dense(1, "sigmoid", name="out")], name="small"
    )
    network.compile(keras.optimizers.Adam(name="adam"), "binary_crossentropy")
    return network


def test_equal_weights_give_equal_model_files_without_time_stamps(folder: Path) -> None:
    """Keras would write the address of the policy that all layers share: each network here has its own."""
    contents, policies = [], [keras.DTypePolicy("float32"), keras.DTypePolicy("float32")]
    for policy in policies:
        keras.config.set_dtype_policy(policy)
        write_model(small_network(), FIVE)
        contents.append(MODEL.read_bytes())
    assert contents[0] == contents[1]
    for ours, theirs in zip(read_model(FIVE).weights["out"], small_network().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with zipfile.ZipFile(MODEL) as members:
        assert {member.date_time for member in members.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert json.loads(members.read("metadata.json"))["date_saved"].startswith("1980")


def test_a_model_is_not_for_the_same_words_of_another_tokenizer(folder: Path) -> None:
    write_model(small_network(), FIVE)
    with pytest.raises(UserError, match="columns"):
        read_model(Columns(FIVE.words, "unicode"))


def test_a_source_with_ranks_from_0_is_a_bug_and_not_a_damaged_file(folder: Path) -> None:
    reviews = contract.Reviews(np.array([0, 1], np.int32), np.array([0, 2], np.int32), np.ones(1, np.uint8))
    with pytest.raises(ValueError, match="from 1"):
        contract.write_reviews(RAW, "train", [reviews])


def write(path: Path, kind: str, text: str) -> None:
    """Write `text` to a file, or to the file of that name in a new folder."""
    if kind == "folder":
        path.mkdir()
        (path / text).write_text(text)
    else:
        path.write_text(text)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_old_file_stays_until_the_new_one_is_complete(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = folder / "results" / "out"
    with storage.atomic_write(path) as beside:
        write(beside, kind, "old")
    with pytest.raises(RuntimeError), storage.atomic_write(path) as beside:
        write(beside, kind, "new")
        raise RuntimeError
    with monkeypatch.context() as patch, pytest.raises(UserError, match=r"out cannot be written \(No space"):
        patch.setattr(os, "replace", Mock(side_effect=OSError(errno.ENOSPC, "no space")))
        with storage.atomic_write(path) as beside:
            write(beside, "file", "new")
    assert (path / "old" if kind == "folder" else path).read_text() == "old"
    assert [child.name for child in path.parent.iterdir()] == ["out"]
    with storage.atomic_write(path) as beside:
        write(beside, kind, "new")
    assert (path / "new" if kind == "folder" else path).read_text() == "new"


def test_partial_output_of_a_crash_is_replaced(folder: Path) -> None:
    write(folder / ".out.partial", "folder", "half")
    with storage.atomic_write(folder / "out") as beside:
        write(beside, "folder", "whole")
    assert [child.name for child in (folder / "out").iterdir()] == ["whole"]


def test_the_model_file_has_no_keys_that_keras_3_10_refuses(folder: Path) -> None:
    """With the layers that a person adds most often; `make old-keras` tries a real Keras 3.10."""
    write_model(old_keras.network(), old_keras.COLUMNS)
    with zipfile.ZipFile(MODEL) as members:
        keys = set(re.findall(r'"(\w+)":', members.read("config.json").decode()))
    assert {"gamma_initializer", "kernel_initializer", "momentum", "variance", "rate"} <= keys
    assert not keys & {"quantization_config", "input_axes", "output_axes"}
    assert not [key for key in keys if key.startswith("renorm")]
