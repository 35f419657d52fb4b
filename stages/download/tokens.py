"""Tokenize units of reviews, each by itself, and keep the result of each for the next run.

A unit is a part of the input: a file, a stretch of a large file, some reviews of an archive. Its tokens are in a file
in the user's cache folder, named after the hash of all that they depend on: the bytes of the unit, how they are read,
the tokenizer, and the code of both. Files that are damaged are made again. `prune` keeps the folder below
MULTIHOT_CACHE_GB
gigabytes (10), the least recently used files going first; `make clean-cache` empties it.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import unicodedata
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages import tables
from stages.console import UserError, one_line
from stages.download import fetch
from stages.encoding import TokenizerName, tokenizers

_HEADER = 64
"""Bytes before the Arrow file: its CRC-32, and zeros up to where Arrow aligns its buffers."""
_MOST_LABELS = 1000
"""Different labels: a column with more holds something else."""
_SHOWN = 5
"""Bad rows that are named."""
_DAMAGE = (OSError, ValueError, KeyError, IndexError, pa.ArrowException)


class Unit(Protocol):
    """A part of the input that depends on no other part. `str` gives its name, for people."""

    def content(self) -> Iterable[bytes]:
        """The bytes that are read."""

    def meaning(self) -> str:
        """What decides, beside the bytes, which rows they are."""

    def rows(self) -> Iterator[tables.Row]:
        """The rows. Their numbers start with 1."""


class BadRow(NamedTuple):
    """A row that cannot be used."""

    place: int
    """The position of its file within the unit."""
    number: int
    problem: str


class Tokens(NamedTuple):
    """A tokenized unit: its file, and what has to be known before the splits are drawn."""

    path: Path
    hashes: NDArray[np.uint64]
    """(usable rows,) a hash of each row's words."""
    codes: NDArray[np.uint16]
    """(usable rows,) each row's label, as a position in `labels`."""
    labels: list[str]
    rows: int
    """The number of rows, with those that cannot be used."""
    bad_rows: int
    first_bad: list[BadRow]


class Task(NamedTuple):
    """What it takes to tokenize a unit in another process, whatever its environment."""

    unit: Unit
    tokenizer: TokenizerName
    folder: Path
    """Where the tokens are kept."""


def tasks(units: Iterable[Unit], tokenizer: TokenizerName) -> list[Task]:
    """Return the tasks of some units, whose tokens are kept in the user's cache folder."""
    return [Task(unit, tokenizer, folder()) for unit in units]


def tokenize(task: Task) -> Tokens:
    """Tokenize a unit, unless its tokens are kept.

    Raises:
        UserError: a file cannot be read as it is, or the cache folder not be written to.
    """
    unit = task.unit
    digest = hashlib.sha256(repr((_code(), task.tokenizer, unit.meaning())).encode())
    for block in unit.content():
        digest.update(block)
    path = task.folder / digest.hexdigest()
    try:
        found = _summary(path, check=True)
        os.utime(path)
    except _DAMAGE:
        _write(path, unit, tokenizers.TOKENIZERS[task.tokenizer])
        found = _summary(path)
    return found


def folder() -> Path:
    """The folder with the tokens of all units, in the user's cache folder."""
    return fetch.cache_folder() / "tokens"


@cache
def _code() -> str:
    """A hash of the code that makes tokens from bytes, so that no tokens outlive it."""
    digest = hashlib.sha256(
        f"{sys.version_info[:2]} {unicodedata.unidata_version} {version('pandas')} {pa.__version__}".encode()
    )
    for module in (tables, tokenizers, sys.modules[__name__]):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def _write(path: Path, unit: Unit, tokenizer: tokenizers.Tokenizer) -> None:
    """Tokenize a unit and write its file: one row of lists, so that each is one array."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    labels: dict[str, int] = {}
    tokens, lengths, hashes, codes = array("i"), array("i"), array("Q"), array("H")
    files: dict[str, int] = {}
    places, rows, total = array("i"), array("q"), 0
    slices: list[list[str]] = []
    bad: list[BadRow] = []
    for row in unit.rows():
        total += 1
        place = files.setdefault(row.file, len(files))
        if row.problem:
            bad.append(BadRow(place, row.number, row.problem))
            continue
        words = tokenizer(row.text)
        tokens.extend(map(numbers.__getitem__, words))
        lengths.append(len(words))
        hashes.append(int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest()))
        codes.append(labels.setdefault(row.label, len(labels)))
        if len(labels) > _MOST_LABELS:
            raise UserError(
                f"{row.file} has more than {_MOST_LABELS:,} different labels, such as {one_line(row.label)!r:.60}.\n"
                "Set data.files.label in params.yaml to the column that holds the labels"
            )
        places.append(place)
        rows.append(row.number)
        slices = slices or [[] for _ in row.slices]
        for values, value in zip(slices, row.slices, strict=True):
            values.append(value)
    strings = {"words": list(numbers), "labels": list(labels), "problems": [each.problem for each in bad[:_SHOWN]]}
    strings |= {f"slice {number}": values for number, values in enumerate(slices)}
    integers = {"tokens": tokens, "lengths": lengths, "hashes": hashes, "codes": codes, "places": places, "rows": rows}
    integers |= {"counts": array("q", [total, len(bad)])}
    integers |= {"bad": array("q", [number for each in bad[:_SHOWN] for number in (each.place, each.number)])}
    columns = {name: pa.array(values, pa.large_string()) for name, values in strings.items()}
    columns |= {name: pa.array(np.array(values)) for name, values in integers.items()}
    cells = [pa.LargeListArray.from_arrays([0, len(values)], values) for values in columns.values()]
    batch = pa.record_batch(cells, list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content = sink.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(zlib.crc32(content).to_bytes(4).ljust(_HEADER, b"\0"))
            file.write(content)
        Path(file.name).replace(path)
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be written to ({error.strerror}) after {unit}.\n"
            "Set XDG_CACHE_HOME to a folder with room for 4 bytes a word, or run `make clean-cache`"
        ) from None


def _summary(path: Path, *, check: bool = False) -> Tokens:
    arrays = read(path, check=check)
    bad = arrays["bad"].to_numpy().reshape(-1, 2).tolist()
    return Tokens(
        path,
        arrays["hashes"].to_numpy().copy(),
        arrays["codes"].to_numpy().copy(),
        arrays["labels"].to_pylist(),
        arrays["counts"][0].as_py(),
        arrays["counts"][1].as_py(),
        [BadRow(place, row, text) for (place, row), text in zip(bad, arrays["problems"].to_pylist(), strict=True)],
    )


def read(path: Path, *, check: bool = False) -> dict[str, pa.Array]:
    """The arrays of a unit's file, mapped into memory.

    `words` by number, in order of appearance; `tokens`, all rows' words as such numbers; and for each row its length in
    `lengths`, the position of its file within the unit in `places`, its number in `rows` and its slices in `slice N`.

    Raises:
        ValueError: the file is damaged, if `check`.
    """
    with pa.memory_map(str(path)) as file:
        content = file.read_buffer()
    body = content.slice(_HEADER)
    if check and zlib.crc32(body).to_bytes(4) != content.slice(0, 4).to_pybytes():
        raise ValueError(f"{path} does not match its CRC-32")
    batch = pa.ipc.open_file(pa.BufferReader(body)).get_batch(0)
    return {name: batch.column(name).values for name in batch.schema.names}


def prune() -> None:
    """Remove the files that were not used for the longest time, until the folder holds at most MULTIHOT_CACHE_GB."""
    text = os.environ.get("MULTIHOT_CACHE_GB", "10")
    try:
        room = float(text) * 1e9
    except ValueError:
        raise UserError(f"MULTIHOT_CACHE_GB is {text!r}; expected a number of gigabytes") from None
    ages = []
    for path in folder().glob("*"):
        with_status = path.stat()
        ages.append((with_status.st_mtime, with_status.st_size, path))
    for _, size, path in sorted(ages, reverse=True):
        room -= size
        if room < 0:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def main() -> None:
    """Remove all files, for `make clean-cache`."""
    shutil.rmtree(folder(), ignore_errors=True)


if __name__ == "__main__":
    main()
