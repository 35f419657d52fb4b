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

_UNITED = 16
"""Units whose words are brought together at a time."""
_RANKS = "ranks.npy"


class Origin(NamedTuple):
    """Where the rows of a unit came from."""

    files: Sequence[str]
    row: int
    """The number of rows before it in its file."""


class _Unit(NamedTuple):
    """What it takes to encode the rows of a unit."""

    tokens: Path
    words: Path
    """An npy file: for each word of the unit, its position among the different words of all units. The file `_RANKS` in
    the same folder has the rank of each of these, 0 for a word that is not in the training split."""
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
    scratch = tempfile.TemporaryDirectory(prefix="ranks-", dir=tokens.folder())
    words, counts = _unite(units, found, Path(scratch.name))
    table = pa.table({"word": words, "count": counts})
    ranked = pc.sort_indices(table, [("count", "descending"), ("word", "ascending")]).to_numpy()
    ranked = ranked[: np.count_nonzero(counts)]
    ranks = np.zeros(len(words), np.int32)
    ranks[ranked] = np.arange(1, len(ranked) + 1)

    np.save(Path(scratch.name, _RANKS), ranks)
    known = [
        _Unit(unit.path, Path(scratch.name, f"{number}.npy"), start, origins[number] if origins else None)
        for number, (unit, start) in enumerate(zip(units, starts.tolist(), strict=False))
    ]
    parts = {
        split: [
            partial(_encode, known, batch, labels[batch], details and details.take(batch), slices)
            for batch in np.split(rows, range(PART_ROWS, len(rows), PART_ROWS))
        ]
        for split, rows in zip(SPLITS, splits, strict=True)
    }
    return Corpus(source, words.take(pa.array(ranked)), counts[ranked], parts, size=size, scratch=scratch)


def _unite(
    units: Sequence[tokens.Tokens], found: Sequence[NDArray[np.int32]], scratch: Path
) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the different words of all units and their counts in the training split.

    Args:
        units: The tokenized units.
        found: The counts of each unit's words.
        scratch: A folder, in which `N.npy` will hold, for each word of unit N, its position among the different words.
    """
    words, counts = pa.array([], pa.large_string()), np.zeros(0, np.int64)
    for start in range(0, len(units), _UNITED):
        group = [tokens.read(unit.path)["words"] for unit in units[start : start + _UNITED]]
        encoded = pa.chunked_array([words, *group]).dictionary_encode()  # one dictionary for all; empty chunks go
        positions = np.concatenate([np.empty(0, np.int32), *(chunk.indices.to_numpy() for chunk in encoded.chunks)])
        each = np.split(positions, np.cumsum([len(chunk) for chunk in (words, *group)]))[1:-1]
        words = encoded.chunks[-1].dictionary if encoded.num_chunks else words
        counts = np.pad(counts, (0, len(words) - len(counts)))
        for number, unit in enumerate(each, start):
            counts[unit] += found[number]
            np.save(scratch / f"{number}.npy", unit)
    return words, counts


def _count(task: tuple[Path, NDArray[np.bool_]]) -> NDArray[np.int32]:
    """Return how often each word of a unit is in its training rows."""
    path, training = task
    unit = tokens.read(path)
    kept = np.repeat(training, unit["lengths"].to_numpy())
    return np.bincount(unit["tokens"].to_numpy()[kept], minlength=len(unit["words"])).astype(np.int32)


def _encode(
    units: Sequence[_Unit],
    rows: NDArray[np.int64],
    labels: NDArray[np.uint8],
    details: pa.Table | None,
    slices: Sequence[str],
) -> Iterator[Reviews]:
    """Yield rows in batches of about `_TOKENS` tokens. Tokens become ranks, and words of rank 0 are dropped."""
    which = np.searchsorted([unit.start for unit in units[1:]], rows, "right")
    ranks = np.load(units[0].words.with_name(_RANKS), mmap_mode="r")
    starts, lengths = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for number in np.unique(which).tolist():
        each = tokens.read(units[number].tokens)["lengths"].to_numpy()
        chosen = which == number
        local = rows[chosen] - units[number].start
        lengths[chosen], starts[chosen] = each[local], (np.cumsum(each, dtype=np.int64) - each)[local]
    ends = np.cumsum(lengths + 1)  # + 1: empty reviews fill a batch, too
    for batch in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(ends // _TOKENS)) + 1):
        offsets = np.concatenate([[0], np.cumsum(lengths[batch])])
        found = np.empty(offsets[-1], np.int32)
        origins = []
        for number in np.unique(which[batch]).tolist():
            unit = tokens.read(units[number].tokens)  # one at a time: what is mapped counts as memory
            chosen = np.flatnonzero(which[batch] == number)
            at, length = batch[chosen], lengths[batch[chosen]]
            words = np.load(units[number].words)[unit["tokens"].to_numpy()[_spans(starts[at], length)]]
            found[_spans(offsets[chosen], length)] = ranks[words]
            origins.append(_origins(units[number], unit, rows[at] - units[number].start, slices))
        more = details and details.take(batch)
        if more is None and units[0].origin:
            more = pa.concat_tables(origins).take(np.argsort(np.argsort(which[batch], kind="stable")))
        kept = np.concatenate([[0], np.cumsum(found > 0)]).astype(np.int32)
        yield Reviews(found[found > 0], kept[offsets], labels[batch], more)


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
