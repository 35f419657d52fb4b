"""Tokenize units of reviews, each by itself, and keep the result of each for the next run.

A unit is a part of the input: a file, a stretch of a large file, some reviews of an archive. Its tokens are in a file
in the user's cache folder, named after the hash of all that they depend on: the bytes of the unit, how they are read,
the tokenizer, and the code of both. Files that are damaged are made again. `prune` keeps the folder below
MULTIHOT_CACHE_GB gigabytes (10), the least recently used files going first; `make clean-cache` empties it.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import unicodedata
import zlib
from array import array
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stages.console import UserError, one_line
from stages.download import fetch
from stages.encoding import TokenizerName, tokenizers
from stages.tables.rows import Row

_HEADER = 64
"""Bytes before the Arrow file: its CRC-32, and zeros up to where Arrow aligns its buffers."""
_CHARACTERS = 1 << 23
"""Characters whose words are numbered at a time."""
_MOST_LABELS = 1000
"""Different labels: a column with more holds something else."""
SHOWN = 5
"""Bad rows that are named."""
_DAMAGE = (OSError, ValueError, KeyError, IndexError, pa.ArrowException)


class Unit(Protocol):
    """A part of the input that depends on no other part. `str` gives its name, for people."""

    def content(self) -> Iterable[bytes]:
        """The bytes that are read."""

    def meaning(self) -> str:
        """What decides, beside the bytes, which rows they are."""

    def rows(self) -> Iterator[Row]:
        """The rows. Their numbers start with 1."""


class BadRow(NamedTuple):
    """A row that cannot be used."""

    place: int
    """The position of its file within the unit."""
    number: int
    """The number of the row within the unit, from 1. 0 for a text that is a file by itself."""
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
        _write(path, _tokenize(unit, tokenizers.TOKENIZERS[task.tokenizer]), unit)
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
    for path in code():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def code() -> list[Path]:
    """Return the modules that make tokens from bytes."""
    stages = Path(__file__).parents[1]
    return [*sorted((stages / "tables").glob("*.py")), stages / "encoding/tokenizers.py", Path(__file__)]


class _Rows:
    """The usable rows of a unit, one after the other."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._texts: list[str | None] = []
        self._characters = 0
        self._words = pa.array([], pa.large_string())
        self._tokens: list[NDArray[np.int32]] = []
        self._lengths: list[NDArray[np.int32]] = []
        self._hashes, self._places, self._numbers = array("Q"), array("i"), array("q")
        self._labels: list[str] = []
        self._slices: list[tuple[str, ...]] = []

    def add(self, row: Row, place: int) -> None:
        """Add a row, given the position of its file within the unit."""
        text = " ".join(self._tokenizer(row.text))
        self._texts.append(text or None)  # Arrow would take "" for one word
        self._hashes.append(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))
        self._places.append(place)
        self._numbers.append(row.number)
        self._labels.append(row.label)
        self._slices.append(row.slices)
        self._characters += len(text)
        if self._characters >= _CHARACTERS:
            self._number_words()

    def _number_words(self) -> None:
        """Replace texts by the numbers of their words. Arrow takes a third of the time of a Python dict."""
        split = pc.split_pattern(pa.array(self._texts, pa.large_string()), " ")
        encoded = pa.concat_arrays([self._words, split.flatten()]).dictionary_encode()
        self._tokens.append(encoded.indices.to_numpy()[len(self._words) :])
        self._lengths.append(pc.list_value_length(split).fill_null(0).to_numpy().astype(np.int32))
        self._words, self._texts, self._characters = encoded.dictionary, [], 0

    def arrays(self) -> dict[str, pa.Array]:
        """Return the arrays that `read` describes."""
        self._number_words()
        labels = pa.array(self._labels, pa.large_string()).dictionary_encode()
        arrays = {
            "words": self._words,
            "tokens": np.concatenate(self._tokens),
            "lengths": np.concatenate(self._lengths),
            "hashes": np.array(self._hashes),
            "labels": labels.dictionary,
            "codes": labels.indices.to_numpy().astype(np.uint16),
            "places": np.array(self._places),
            "rows": np.array(self._numbers),
        }
        for number, values in enumerate(zip(*self._slices, strict=True)):
            arrays[f"slice {number}"] = pa.array(values, pa.large_string())
        return arrays


def _tokenize(unit: Unit, tokenizer: tokenizers.Tokenizer) -> dict[str, pa.Array]:
    """Return the arrays that `read` describes."""
    rows, bad, total = _Rows(tokenizer), [], 0
    files: dict[str, int] = {}
    labels: set[str] = set()
    for row in unit.rows():
        total += 1
        place = files.setdefault(row.file, len(files))
        if row.problem:
            bad.append(BadRow(place, row.number, row.problem))
            continue
        labels.add(row.label)
        if len(labels) > _MOST_LABELS:
            raise UserError(
                f"{row.file} has more than {_MOST_LABELS:,} different labels, such as {one_line(row.label)!r:.60}.\n"
                "Set data.files.label in params.yaml to the column that holds the labels"
            )
        rows.add(row, place)
    return rows.arrays() | {
        "counts": np.array([total, len(bad)]),
        "bad": np.array([(each.place, each.number) for each in bad[:SHOWN]], np.int64).ravel(),
        "problems": pa.array([each.problem for each in bad[:SHOWN]], pa.large_string()),
    }


def _write(path: Path, arrays: dict[str, pa.Array], unit: Unit) -> None:
    """Write the file of a unit: one row of lists, so that each is one array."""
    columns = [pa.array(values) for values in arrays.values()]
    cells = [pa.LargeListArray.from_arrays([0, len(values)], values) for values in columns]
    batch = pa.record_batch(cells, list(arrays))
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
    """Return the arrays of a unit's file, mapped into memory.

    - `words`: the different words, in order of appearance.
    - `tokens`: (tokens,) int32, the words of all usable rows as positions in `words`.
    - `lengths`, `hashes`, `codes`, `places`, `rows`, `slice N`: one value per usable row: the number of its tokens, a
      hash of its words, the position of its label in `labels`, the position of its file within the unit, its row
      number, and its value of slice N.
    - `labels`: the different labels.
    - `counts`: the number of rows and of bad rows. `bad`: place and number of each of the first bad rows, alternating.
      `problems`: what is wrong with each of them.

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
        status = path.stat()
        ages.append((status.st_mtime, status.st_size, path))
    for _, size, path in sorted(ages, reverse=True):
        room -= size
        if room < 0:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def main() -> None:
    """Remove all files, for `make clean-cache`."""
    shutil.rmtree(folder(), ignore_errors=True)


if __name__ == "__main__":
    main()
