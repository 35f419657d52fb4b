"""Rows of the features, read part by part, so that they need not fit in memory together."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from stages import artifacts
from stages.artifacts import Features
from stages.console import UserError
from stages.params import PARAMS

_AT_A_TIME = 4096
"""Rows laid out together, or one batch where that is more: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of one part."""

    part: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def of(split: str) -> list[Piece]:
    """All rows of a split, a piece for each part."""
    return [Piece(part, 0, len(artifacts.read_labels(part))) for part in artifacts.feature_parts(split)]


def count(pieces: list[Piece]) -> int:
    """How many rows there are."""
    return sum(map(len, pieces))


def hold_out(pieces: list[Piece], rows: int) -> tuple[list[Piece], list[Piece]]:
    """Cut off the first `rows` rows: (hold-out, rest)."""
    if rows >= count(pieces):
        raise UserError(
            f"{PARAMS}: train.holdout_rows is {rows}; expected fewer than the {count(pieces)} training rows, "
            f"{count(pieces) * 2 // 5}, say"
        )
    first, rest = [], []
    for piece in pieces:
        cut = piece.start + min(rows, len(piece))
        first.append(Piece(piece.part, piece.start, cut))
        rest.append(Piece(piece.part, cut, piece.stop))
        rows -= len(first[-1])
    return [piece for piece in first if len(piece)], [piece for piece in rest if len(piece)]


def batches(pieces: list[Piece], size: int, generator: np.random.Generator | None = None) -> Iterator[Features]:
    """Read the pieces one after the other, in whole batches, some thousand rows at a time.

    Rows that do not fill a batch wait for the next piece; only the last batch of all may be short.

    Args:
        pieces: the rows.
        size: rows in a batch.
        generator: shuffles the pieces, and the rows within each; without it they come in order.

    Yields:
        Rows that `size` divides, except for the last.
    """
    order = generator.permutation(len(pieces)) if generator else range(len(pieces))
    step = max(_AT_A_TIME // size, 1) * size
    left, waiting = count(pieces), None
    for number in order:
        piece = pieces[number]
        within = piece.start + (generator.permutation(len(piece)) if generator else np.arange(len(piece)))
        for start in range(0, len(piece), step):
            features = artifacts.read_part(piece.part)[within[start : start + step]]
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
