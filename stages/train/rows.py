"""The rows of the features. They are read part by part, because all parts together may not fit in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import Features, feature_parts, read_labels, read_part
from stages.params import PARAMS

_ROWS_AT_A_TIME = 4096
"""Few enough to stay in the cache of the processor. A larger batch is yielded whole."""


@dataclass(frozen=True)
class RowRange:
    """Consecutive rows of one part."""

    part: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def split_rows(split: str) -> list[RowRange]:
    """Return all rows of a split, as one range per part."""
    return [RowRange(part, 0, len(read_labels(part))) for part in feature_parts(split)]


def num_rows(ranges: Sequence[RowRange]) -> int:
    """Return the number of rows in all ranges."""
    return sum(map(len, ranges))


def hold_out(ranges: Sequence[RowRange], rows: int) -> tuple[list[RowRange], list[RowRange]]:
    """Split the ranges into the first `rows` rows, which are the hold-out, and the rest."""
    if rows >= num_rows(ranges):
        raise UserError(
            f"{PARAMS}: train.holdout_rows is {rows}; expected fewer than the {num_rows(ranges)} training rows, "
            f"for example {num_rows(ranges) * 2 // 5}"
        )
    first, rest = [], []
    for each in ranges:
        cut = each.start + min(rows, len(each))
        first.append(RowRange(each.part, each.start, cut))
        rest.append(RowRange(each.part, cut, each.stop))
        rows -= len(first[-1])
    return list(filter(len, first)), list(filter(len, rest))


def batches(ranges: Sequence[RowRange], size: int, generator: np.random.Generator | None = None) -> Iterator[Features]:
    """Read the ranges one after the other, and yield some thousand rows at a time.

    Rows at the end of a range that do not fill a batch are joined to the next range.

    Args:
        ranges: the rows to read.
        size: the number of rows in a batch.
        generator: shuffles the ranges, and the rows within each range. Without it, all come in order.

    Yields:
        Rows whose number is a multiple of `size`, except for the last ones.
    """
    step = max(_ROWS_AT_A_TIME // size, 1) * size
    left = num_rows(ranges)  # the number of rows that are still to be yielded
    waiting: Features | None = None  # the rows of the ranges before that did not fill a batch
    for number in _order(len(ranges), generator):
        part, start = read_part(ranges[number].part), ranges[number].start
        within = start + _order(len(ranges[number]), generator)
        for some in range(0, len(within), step):
            features = part[within[some : some + step]]
            if waiting:
                features = _join(waiting, features)
            is_last = len(features) == left
            cut = len(features) if is_last else len(features) // size * size
            features, waiting = features[:cut], features[cut:]
            left -= cut
            if cut:
                yield features


def _order(count: int, generator: np.random.Generator | None) -> NDArray[np.int64]:
    return generator.permutation(count) if generator else np.arange(count)


def _join(first: Features, then: Features) -> Features:
    matrix = scipy.sparse.vstack([first.matrix, then.matrix], format="csr")
    return Features(matrix, np.concatenate([first.labels, then.labels]))
