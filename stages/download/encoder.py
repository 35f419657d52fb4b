"""From tokenized units to a corpus: words are ranked by frequency, and the rows of each part are collected."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stages import workers
from stages.contracts.reviews import PART_ROWS, SPLITS, Reviews
from stages.download import tokens
from stages.download.corpus import Corpus

_TOKENS = 1 << 22
"""Tokens in a batch, up to one review more: 16 MiB."""


class Origin(NamedTuple):
    """Where the rows of a unit came from."""

    files: Sequence[str]
    row: int
    """The number of rows before it in its file."""


class _Unit(NamedTuple):
    """What it takes to encode the rows of a unit."""

    tokens: Path
    ranks: Path
    """An npy file: the rank of each of its words, 0 for one that is not in the training split."""
    start: int
    """The number of rows before it, in all units."""
    origin: Origin | None


def corpus(
    source: str,
    units: Sequence[tokens.Tokens],
    labels: NDArray[np.uint8],
    splits: tuple[NDArray[np.int64], NDArray[np.int64]],
    size: int,
    *,
    details: pa.Table | None = None,
    origins: Sequence[Origin] = (),
    slices: Sequence[str] = (),
) -> Corpus:
    """Make a corpus of tokenized units. A row is a usable row of a unit, the first unit's first.

    Words are ranked by descending frequency in the training split, equally frequent ones by code point. Words that are
    not in the training split are dropped from the test split.

    This process holds the different words, their numbers in each unit, and the order of the rows, but neither texts nor
    tokens: those are read where a part is written.

    Args:
        source: The source's name in params.yaml.
        units: What `tokens.tokenize` returned.
        labels: (rows,) 1 for positive, 0 for negative. Labels of rows in neither split have no meaning.
        splits: The rows of the training split and of the test split, in their order there.
        size: The bytes of all input, which decide whether other processes are worth it.
        details: What else is known of each row.
        origins: Of each unit, for details named `file` and `row`.
        slices: The names of the units' slices among the details.
    """
    starts = np.cumsum([0, *(len(unit.hashes) for unit in units)])
    training = np.zeros(len(labels), bool)
    training[splits[0]] = True
    tasks = [(unit.path, training[start:end]) for unit, start, end in zip(units, starts, starts[1:], strict=False)]
    found = workers.run(_count, tasks, size, "counting", units)
    words, numbers = _unite([tokens.read(unit.path)["words"] for unit in units])
    counts = np.zeros(len(words), np.int64)
    for number, each in zip(numbers, found, strict=True):
        counts[number] += each
    table = pa.table({"word": words, "count": counts})
    ranked = pc.sort_indices(table, [("count", "descending"), ("word", "ascending")]).to_numpy()
    ranked = ranked[: np.count_nonzero(counts)]
    ranks = np.zeros(len(words), np.int32)
    ranks[ranked] = np.arange(1, len(ranked) + 1)

    scratch = tempfile.TemporaryDirectory(prefix="ranks-", dir=tokens.folder())
    known = []
    for position, (unit, number, start) in enumerate(zip(units, numbers, starts.tolist(), strict=False)):
        path = Path(scratch.name, f"{position}.npy")
        np.save(path, ranks[number])
        known.append(_Unit(unit.path, path, start, origins[position] if origins else None))
    parts = {
        split: [
            partial(_encode, known, batch, labels[batch], details and details.take(batch), slices)
            for batch in np.split(rows, range(PART_ROWS, len(rows), PART_ROWS))
        ]
        for split, rows in zip(SPLITS, splits, strict=True)
    }
    return Corpus(source, words.take(pa.array(ranked)), counts[ranked], parts, size=size, scratch=scratch)


def _unite(words: Sequence[pa.Array]) -> tuple[pa.Array, list[NDArray[np.int32]]]:
    """Return the different words of all units, and for each unit the positions of its words among them."""
    encoded = pa.chunked_array(words, pa.large_string()).dictionary_encode()  # one dictionary for all chunks
    flat = np.concatenate([np.empty(0, np.int32), *(chunk.indices.to_numpy() for chunk in encoded.chunks)])
    united = encoded.chunks[-1].dictionary if encoded.num_chunks else pa.array([], pa.large_string())
    return united, np.split(flat, np.cumsum([len(each) for each in words])[:-1])


def _count(task: tuple[Path, NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return how often each word of a unit is in its training rows."""
    path, training = task
    unit = tokens.read(path)
    kept = np.repeat(training, unit["lengths"].to_numpy())
    return np.bincount(unit["tokens"].to_numpy()[kept], minlength=len(unit["words"]))


def _encode(
    units: Sequence[_Unit],
    rows: NDArray[np.int64],
    labels: NDArray[np.uint8],
    details: pa.Table | None,
    slices: Sequence[str],
) -> Iterator[Reviews]:
    """Yield rows with ranks as tokens, without the words of rank 0, some at a time."""
    which = np.searchsorted([unit.start for unit in units[1:]], rows, "right")
    opened = {number: tokens.read(units[number].tokens) for number in np.unique(which).tolist()}
    starts, lengths = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for number, unit in opened.items():
        each = unit["lengths"].to_numpy()
        chosen = which == number
        local = rows[chosen] - units[number].start
        lengths[chosen], starts[chosen] = each[local], (np.cumsum(each, dtype=np.int64) - each)[local]
    ends = np.cumsum(lengths + 1)  # + 1: empty reviews fill a batch, too
    for batch in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(ends // _TOKENS)) + 1):
        offsets = np.concatenate([[0], np.cumsum(lengths[batch])])
        ranks = np.empty(offsets[-1], np.int32)
        origins = []
        for number in np.unique(which[batch]).tolist():
            chosen = np.flatnonzero(which[batch] == number)
            at, length = batch[chosen], lengths[batch[chosen]]
            words = opened[number]["tokens"].to_numpy()[_spans(starts[at], length)]
            ranks[_spans(offsets[chosen], length)] = np.load(units[number].ranks)[words]
            origins.append(_origins(units[number], opened[number], rows[at] - units[number].start, slices))
        more = details and details.take(batch)
        if more is None and units[0].origin:
            more = pa.concat_tables(origins).take(np.argsort(np.argsort(which[batch], kind="stable")))
        kept = np.concatenate([[0], np.cumsum(ranks > 0)]).astype(np.int32)
        yield Reviews(ranks[ranks > 0], kept[offsets], labels[batch], more)


def _spans(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions start, start + 1, ... of each span, one span after the other."""
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def _origins(
    unit: _Unit, arrays: dict[str, pa.Array], rows: NDArray[np.int64], slices: Sequence[str]
) -> pa.Table | None:
    """Where rows of a unit came from, and their slices."""
    if unit.origin is None:
        return None
    numbers = arrays["rows"].to_numpy()[rows]
    table = pa.table(
        {
            "file": pa.array(unit.origin.files, pa.string()).take(arrays["places"].take(rows)),
            "row": np.where(numbers > 0, numbers + unit.origin.row, 0),
        }
    )
    for number, name in enumerate(slices):
        table = table.append_column(name, arrays[f"slice {number}"].take(rows).cast(pa.string()))
    return table
