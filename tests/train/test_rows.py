"""Reading part by part yields each row once, in whole batches, in the right order."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from stages.console import UserError
from stages.contracts.features import Features
from stages.train import rows
from tests.conftest import write_features


def numbered(count: int) -> Features:
    """Return features whose row i has the value i + 1 in its only column, and the label i % 2."""
    numbers = np.arange(count, dtype=np.float32)
    return Features(scipy.sparse.csr_matrix(numbers[:, None] + 1), numbers % 2)


def seen(batches: list[Features]) -> list[int]:
    """Return the numbers of the rows in the order of the batches, and check that each row has its own label."""
    numbers = np.concatenate([batch.matrix.toarray()[:, 0] for batch in batches]).astype(int) - 1
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in batches]), numbers % 2)
    return [int(number) for number in numbers]


@pytest.mark.parametrize("parts", [1, 2, 7, 40])
@pytest.mark.parametrize("at_a_time", [1, 20, 4096])
def test_rows_come_in_order_and_only_the_last_batch_is_short(
    folder: Path, monkeypatch: pytest.MonkeyPatch, parts: int, at_a_time: int
) -> None:
    monkeypatch.setattr(rows, "_ROWS_AT_A_TIME", at_a_time)
    write_features(numbered(103), "train", parts)
    batches = list(rows.batches(rows.split_rows("train"), 8))
    assert seen(batches) == list(range(103))
    assert all(len(batch) % 8 == 0 for batch in batches[:-1])


@pytest.mark.parametrize("parts", [1, 7])
def test_each_epoch_has_each_row_once_in_a_new_order(folder: Path, parts: int) -> None:
    write_features(numbered(103), "train", parts)
    generator = np.random.default_rng(4)
    orders = [seen(list(rows.batches(rows.split_rows("train"), 8, generator))) for _ in range(3)]
    for order in orders:
        assert sorted(order) == list(range(103))
    for one, other in itertools.combinations([*orders, list(range(103))], 2):
        assert one != other


def test_parts_are_shuffled_too(folder: Path) -> None:
    write_features(numbered(100), "train", 10)
    firsts = {
        seen(list(rows.batches(rows.split_rows("train"), 10, np.random.default_rng(seed))))[0] // 10
        for seed in range(20)
    }
    assert len(firsts) > 5


@pytest.mark.parametrize("parts", [1, 7])
@pytest.mark.parametrize("count", [1, 40, 102])
def test_the_holdout_is_the_first_rows(folder: Path, parts: int, count: int) -> None:
    write_features(numbered(103), "train", parts)
    holdout, rest = rows.hold_out(rows.split_rows("train"), count)
    assert seen(list(rows.batches(holdout, 8))) == list(range(count))
    assert seen(list(rows.batches(rest, 8))) == list(range(count, 103))
    assert (rows.num_rows(holdout), rows.num_rows(rest)) == (count, 103 - count)


def test_a_holdout_of_all_rows_is_an_error(folder: Path) -> None:
    write_features(numbered(10), "train", 2)
    with pytest.raises(UserError, match="holdout_rows is 10; expected fewer than the 10 training rows"):
        rows.hold_out(rows.split_rows("train"), 10)
