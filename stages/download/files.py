"""Source `files`: your own reviews, in the shapes that `stages.tables` reads.

Files, and stretches of large files, are read and tokenized independently, on all cores. This process holds the
different words and some 20 bytes a review, so that files larger than memory will do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages import workers
from stages.console import UserError, one_line, say
from stages.contracts.reviews import OwnReviews
from stages.download import encoder, own
from stages.download.corpus import Corpus
from stages.download.labels import LEFT_OUT, require_both, take_labels
from stages.download.splits import draw_test_rows, find_duplicates, mix, shuffle
from stages.download.tokens import SHOWN, Task, Tokens, tasks, tokenize
from stages.encoding import TokenizerName
from stages.params import Files
from stages.tables import reader, stretches
from stages.tables.addresses import folder_at
from stages.tables.layout import Layout
from stages.tables.rows import Row

_STRETCH = 16 << 20
"""Bytes of a large file that are read at a time, by one process."""
_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".bz2", ".xz", ".zip")
"""Which files of a folder are reviews."""


def load(settings: Files, tokenizer: TokenizerName) -> Corpus:
    """Read the reviews, and hold some out for testing where there is no file of them.

    Rows with the same words go to the same side of each split. The training rows are in a random order, drawn from the
    seed and the words, since files are often sorted by label and the first rows are held out for validation; reviews
    that occur several times come last, one beside the other. The test rows stay in the order of the files.

    Raises:
        UserError: a file is not there or cannot be used as it is; says why, and what to do.
    """
    train_paths, test_paths = _paths(settings)
    read = [_tokenize(settings, tokenizer, paths) for paths in (train_paths, test_paths) if paths]
    units = [unit for each in read for unit in each]
    found = [unit.tokens for unit in units]
    bad_rows = _tell_bad_rows(settings, units)

    labels, taken = take_labels(settings, found)
    words = mix(np.concatenate([unit.hashes for unit in found]), settings.seed)
    train_rows = sum(len(unit.tokens.hashes) for unit in read[0])
    rows = np.flatnonzero(labels != LEFT_OUT)
    require_both(labels[rows], "in all")
    rows, duplicates, both = find_duplicates(settings, rows, labels, words)
    if test_paths:
        train, test = rows[rows < train_rows], rows[rows >= train_rows]
        if shared := int(np.isin(words[test], words[train]).sum()):
            say(f"warning: {shared:,} of {len(test):,} test reviews have the words of a training review")
    else:
        testing = draw_test_rows(settings.test_share, labels[rows], words[rows])
        train, test = rows[~testing], rows[testing]
    require_both(labels[train], "for training")
    require_both(labels[test], "for testing")
    corpus = encoder.corpus(
        "files",
        found,
        labels.astype(np.uint8),
        (shuffle(train, words), test),
        sum(unit.size for unit in units),
        origins=[unit.origin for unit in units],
        slices=settings.slices,
    )
    return replace(corpus, tokenizer=tokenizer, own=OwnReviews(taken, bad_rows, duplicates, both))


def _paths(settings: Files) -> tuple[list[Path], list[Path]]:
    """The files for training, and those for testing, if there are any."""
    folder = folder_at(settings.folder)
    if settings.test is None and isinstance(settings.train, str):  # an unpacked aclImdb
        splits = [folder.joinpath(*Path(settings.train).parts, split) for split in ("train", "test")]
        if all(map(reader.has_classes, splits)):
            return splits[:1], splits[1:]
    return _find(folder, settings.train, "train"), _find(folder, settings.test or [], "test")


def _find(folder: Path, names: str | Sequence[str], key: str) -> list[Path]:
    """What names of files, folders and patterns stand for, in the order of the names."""
    found: set[Path] = set()
    for name in [names] if isinstance(names, str) else names:
        path = folder.joinpath(*Path(name).parts)  # without a dot, which an address would keep
        if path.is_dir() and not reader.has_classes(path):
            reviews = [each for each in path.iterdir() if each.is_file() and not own.is_other(each.name)]
            matches = [each for each in reviews if each.name.lower().endswith(_SUFFIXES)]
            if others := [each.name for each in reviews if each not in matches]:
                plural = "s" * (len(others) > 1)
                say(f"warning: {len(others):,} file{plural} in {path} not read: {one_line(', '.join(sorted(others)))}")
        else:
            matches = [path] if path.exists() else list(folder.glob(name))
        matches = [each for each in matches if each == path or (each.is_file() and not each.name.startswith("."))]
        if not matches:
            there = ", ".join(sorted(each.name for each in folder.glob("[!.]*"))) or "nothing"
            problem = "has no reviews in it" if path.is_dir() else "is not there"
            raise UserError(
                f"{path} {problem}; {folder} has {one_line(there)}.\n"
                f"Put your reviews there, or correct data.files.{key} in params.yaml"
            )
        found |= set(matches)
    return sorted(found)


@dataclass(frozen=True)
class _FileUnit:
    """A unit of reviews: a stretch of a file, or all of it."""

    path: Path
    layout: Layout
    stretch: reader.Stretch | None

    def __str__(self) -> str:
        return f"{self.path}, from {self.stretch.start:,} on" if self.stretch else str(self.path)

    def content(self) -> Iterator[bytes]:
        return stretches.content(self.path, self.stretch)

    def meaning(self) -> str:
        return repr(self.layout)

    def rows(self) -> Iterator[Row]:
        return reader.read(self.path, self.layout, self.stretch)


class _Read(NamedTuple):
    """A tokenized unit, where it came from, and how many bytes it has."""

    tokens: Tokens
    origin: encoder.Origin
    size: int


def _tokenize(settings: Files, tokenizer: TokenizerName, paths: Sequence[Path]) -> list[_Read]:
    """Tokenize files, on all cores."""
    layout = Layout(settings.text, settings.label, settings.columns, settings.encoding, settings.slices)
    units = [_FileUnit(path, layout, stretch) for path in paths for stretch in stretches.cut(path, layout, _STRETCH)]
    folder, size = folder_at(settings.folder), sum(map(_size, paths))
    tokenized = workers.run(_attempt, tasks(units, tokenizer), size, "reading", units)
    found: list[_Read] = []
    for path, each in groupby(zip(units, tokenized, strict=True), lambda pair: pair[0].path):
        pairs = list(each)
        if any(isinstance(tokens, UserError) for _, tokens in pairs):  # say it of the whole file, with its row numbers
            whole = _FileUnit(path, layout, None)
            pairs = [(whole, tokenize(*tasks([whole], tokenizer)))]
        row = 0
        for unit, tokens in pairs:
            assert isinstance(tokens, Tokens)  # noqa: S101
            files = [path] if not reader.has_classes(path) else reader.texts(path, unit.stretch)
            names = [file.relative_to(folder).as_posix() for file in files]
            found.append(_Read(tokens, encoder.Origin(names, row), _size(path) // len(pairs)))
            row += tokens.rows
    return found


def _size(path: Path) -> int:
    """The bytes of a file; for a folder of texts, about."""
    return 1000 * len(reader.texts(path)) if reader.has_classes(path) else path.stat().st_size


def _attempt(task: Task) -> Tokens | UserError:
    """Tokenize a unit, or return what is wrong with it."""
    try:
        return tokenize(task)
    except UserError as error:
        return error


def _tell_bad_rows(settings: Files, units: Sequence[_Read]) -> int:
    """Return the number of rows that cannot be used. Print it, or raise a UserError if bad_rows is "error"."""
    bad_rows = sum(unit.tokens.bad_rows for unit in units)
    if bad_rows:
        folder = folder_at(settings.folder)
        first = [
            Row(
                str(folder / unit.origin.files[bad.place]),
                "",
                number=bad.number and bad.number + unit.origin.row,
                problem=bad.problem,
            )
            for unit in units
            for bad in unit.tokens.first_bad
        ][:SHOWN]
        what = f"{bad_rows:,} bad rows of {sum(unit.tokens.rows for unit in units):,}"
        more = f"; and {bad_rows - len(first):,} more" * (bad_rows > len(first))
        places = "; ".join(f"{row.where}: {row.problem}" for row in first) + more
        if settings.bad_rows == "error":
            raise UserError(f"{what}: {places}.\nCorrect them, or set data.files.bad_rows in params.yaml to skip")
        say(f"left out {what}: {places}")
    return bad_rows
