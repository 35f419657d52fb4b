"""Rows of the features, read part by part, so that they need not fit in memory together."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from stages.console import UserError
from stages.contracts.features import Features, feature_parts, read_labels, read_part
from stages.params import PARAMS

_AT_A_TIME = 4096
"""Rows laid out together, or one batch where that is more: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class RowRange:
    """Consecutive rows of one part."""

    part: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def split_rows(split: str) -> list[RowRange]:
    """All rows of a split, a row_range for each part."""
    return [RowRange(part, 0, len(read_labels(part))) for part in feature_parts(split)]


def num_rows(ranges: list[RowRange]) -> int:
    """How many rows there are."""
    return sum(map(len, ranges))


def hold_out(ranges: list[RowRange], rows: int) -> tuple[list[RowRange], list[RowRange]]:
    """Cut off the first `rows` rows: (hold-out, rest)."""
    if rows >= num_rows(ranges):
        raise UserError(
            f"{PARAMS}: train.holdout_rows is {rows}; expected fewer than the {num_rows(ranges)} training rows, "
            f"{num_rows(ranges) * 2 // 5}, say"
        )
    first, rest = [], []
    for row_range in ranges:
        cut = row_range.start + min(rows, len(row_range))
        first.append(RowRange(row_range.part, row_range.start, cut))
        rest.append(RowRange(row_range.part, cut, row_range.stop))
        rows -= len(first[-1])
    return [row_range for row_range in first if len(row_range)], [row_range for row_range in rest if len(row_range)]


def batches(ranges: list[RowRange], size: int, generator: np.random.Generator | None = None) -> Iterator[Features]:
    """Read the ranges one after the other, in whole batches, some thousand rows at a time.

    Rows that do not fill a batch wait for the next row_range; only the last batch of all may be short.

    Args:
        ranges: the rows.
        size: rows in a batch.
        generator: shuffles the ranges, and the rows within each; without it they come in order.

    Yields:
        Rows that `size` divides, except for the last.
    """
    order = generator.permutation(len(ranges)) if generator else range(len(ranges))
    step = max(_AT_A_TIME // size, 1) * size
    left, waiting = num_rows(ranges), None
    for number in order:
        row_range = ranges[number]
        within = row_range.start + (generator.permutation(len(row_range)) if generator else np.arange(len(row_range)))
        for start in range(0, len(row_range), step):
            features = read_part(row_range.part)[within[start : start + step]]
            if waiting:
                features = _join(waiting, features)
            cut = len(features) if len(features) == left else len(features) // size * size
            features, waiting = features[:cut], features[cut:]
            left -= cut
            if cut:
                yield features


def _join(first: Features, then: Features) -> Features:
    matrix = scipy.sparse.vstack([first.matrix, then.matrix], format="csr")
    return Features(matrix, np.concatenate([first.labels, then.labels]))
