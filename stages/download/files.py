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
from numpy.typing import NDArray

from stages import workers
from stages.console import UserError, one_line, say
from stages.contracts.reviews import OwnReviews
from stages.download import encoder
from stages.download.corpus import Corpus
from stages.download.tokens import Task, Tokens, tasks, tokenize
from stages.encoding import TokenizerName
from stages.params import Files, holdout_that_fits
from stages.tables import reader, stretches
from stages.tables.addresses import place
from stages.tables.layout import Layout
from stages.tables.rows import Row, normalize_label

_UNDERSTOOD = {"0": 0, "neg": 0, "negative": 0, "false": 0, "1": 1, "pos": 1, "positive": 1, "true": 1}
_CLASSES = ("negative", "positive")
_LEFT_OUT = -1
_STRETCH = 16 << 20
"""Bytes of a large file that are read at a time, by one process."""
_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".bz2", ".xz", ".zip")
"""Which files of a folder are reviews."""
_SHOWN = 5
"""Bad rows that are named."""


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

    known: dict[str, int] = {}
    codes = [np.array([known.setdefault(label, len(known)) for label in unit.labels], np.int64) for unit in found]
    labels, taken = _take_labels(
        settings, known, np.concatenate([names[unit.codes] for names, unit in zip(codes, found, strict=True)])
    )
    words = _mixed(np.concatenate([unit.hashes for unit in found]), settings.seed)
    train_rows = sum(len(unit.tokens.hashes) for unit in read[0])
    rows = np.flatnonzero(labels != _LEFT_OUT)
    _require_both(labels[rows], "in all")
    rows, duplicates, both = _find_duplicates(settings, rows, labels, words)
    if test_paths:
        train, test = rows[rows < train_rows], rows[rows >= train_rows]
        if shared := int(np.isin(words[test], words[train]).sum()):
            say(f"warning: {shared:,} of {len(test):,} test reviews have the words of a training review")
    else:
        testing = _draw(settings.test_share, labels[rows], words[rows])
        train, test = rows[~testing], rows[testing]
    _require_both(labels[train], "for training")
    _require_both(labels[test], "for testing")
    corpus = encoder.corpus(
        "files",
        found,
        labels.astype(np.uint8),
        (_shuffled(train, words), test),
        sum(unit.size for unit in units),
        origins=[unit.origin for unit in units],
        slices=settings.slices,
    )
    return replace(corpus, tokenizer=tokenizer, own=OwnReviews(taken, bad_rows, duplicates, both))


def _paths(settings: Files) -> tuple[list[Path], list[Path]]:
    """The files for training, and those for testing, if there are any."""
    folder = place(settings.folder)
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
            matches = [each for each in path.iterdir() if each.name.lower().endswith(_SUFFIXES)]
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
class _Stretch:
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
    units = [_Stretch(path, layout, stretch) for path in paths for stretch in stretches.cut(path, layout, _STRETCH)]
    folder, size = place(settings.folder), sum(map(_size, paths))
    tokenized = workers.run(_attempt, tasks(units, tokenizer), size, "reading", units)
    found: list[_Read] = []
    for path, each in groupby(zip(units, tokenized, strict=True), lambda pair: pair[0].path):
        pairs = list(each)
        if any(isinstance(tokens, UserError) for _, tokens in pairs):  # say it of the whole file, with its row numbers
            whole = _Stretch(path, layout, None)
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
    """Say how many rows could not be used; an error, unless they are to be left out."""
    bad_rows = sum(unit.tokens.bad_rows for unit in units)
    if bad_rows:
        folder = place(settings.folder)
        first = [
            Row(
                str(folder / unit.origin.files[bad.place]),
                "",
                number=bad.number and bad.number + unit.origin.row,
                problem=bad.problem,
            )
            for unit in units
            for bad in unit.tokens.first_bad
        ][:_SHOWN]
        what = f"{bad_rows:,} bad rows of {sum(unit.tokens.rows for unit in units):,}"
        places = "; ".join(f"{row.where}: {row.problem}" for row in first) + ("; ..." if bad_rows > len(first) else "")
        if settings.bad_rows == "error":
            raise UserError(f"{what}: {places}.\nCorrect them, or set data.files.bad_rows in params.yaml to skip")
        say(f"left out {what}: {places}")
    return bad_rows


def _mixed(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Mix hashes with the seed, by the last steps of SplitMix64: different hashes stay different."""
    mixed = hashes ^ np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _take_labels(
    settings: Files, known: dict[str, int], codes: NDArray[np.int64]
) -> tuple[NDArray[np.int8], dict[str, dict[str, int]]]:
    """Find out which rows are positive, negative, or to be left out.

    Returns:
        1, 0 or `_LEFT_OUT` for each row; and by what a label was taken for, how many rows each label has.
    """
    counts = dict(zip(known, np.bincount(codes, minlength=len(known)).tolist(), strict=True))
    shown = _listed(counts)
    given = {0: _spelled(settings.negative), 1: _spelled(settings.positive)}
    if both := given[0] & given[1]:
        raise UserError(f"data.files.positive and data.files.negative in params.yaml share {one_line(sorted(both))}")
    for value, name in enumerate(_CLASSES):
        others = counts.keys() - given[1 - value]
        if not given[value] and given[1 - value]:
            if len(others) != 1:
                raise UserError(
                    f"data.files.{_CLASSES[1 - value]} alone needs one other label; the labels are {shown}.\n"
                    f"Set data.files.{name} in params.yaml to those that mean {name}: rows with others are left out"
                )
            given[value] = set(others)
    if not (given[0] or given[1]):
        given = {value: {label for label, meaning in _UNDERSTOOD.items() if meaning == value} for value in (0, 1)}
        if not counts.keys() <= _UNDERSTOOD.keys():
            raise UserError(
                f"the labels are {shown}; expected two, of {', '.join(_UNDERSTOOD)}.\n"
                "Set data.files.positive and data.files.negative in params.yaml: rows with others are left out"
            )
    meaning = {label: next((value for value in (0, 1) if label in given[value]), _LEFT_OUT) for label in counts}
    taken = {
        name: {label: counts[label] for label in counts if meaning[label] == value}
        for value, name in ((1, "positive"), (0, "negative"), (_LEFT_OUT, "left out"))
    }
    say("labels: " + "; ".join(f"{name}: {_listed(labels)}" for name, labels in taken.items() if labels))
    return np.array([meaning[label] for label in known], np.int8)[codes], taken


def _spelled(labels: object) -> set[str]:
    """Labels of params.yaml as `Row` has them."""
    each = labels if isinstance(labels, list) else [] if labels is None else [labels]
    return {normalize_label(label) for label in each}


def _listed(counts: dict[str, int]) -> str:
    """Labels with their numbers of rows, the most frequent first."""
    ranked = sorted(counts, key=lambda label: -counts[label])
    shown = [f"{one_line(label)} ({counts[label]:,} rows)" for label in ranked[:20]]
    return ", ".join(shown + [f"and {len(ranked) - 20:,} more"] * (len(ranked) > 20)) or "none"


def _require_both(labels: NDArray[np.int8], where: str) -> None:
    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        raise UserError(
            f"there is no {_CLASSES[counts.argmin()]} review among {len(labels):,} {where}; expected both classes.\n"
            "Are data.files.positive and data.files.negative in params.yaml right, and are there enough reviews?"
        )


def _find_duplicates(
    settings: Files, rows: NDArray[np.int64], labels: NDArray[np.int8], words: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], int, int]:
    """Count rows that have the words of an earlier one, and leave them out if `duplicates` says so.

    Returns:
        The rows to go on with, how many duplicates there are, and how many texts have both labels.
    """
    _, first, group = np.unique(words[rows], return_index=True, return_inverse=True)
    positive = np.bincount(group, labels[rows])
    both = int(((positive > 0) & (positive < np.bincount(group))).sum())
    duplicates = len(rows) - len(first)
    if duplicates:
        kept = "are left out" if settings.duplicates == "drop" else "stay on its side of each split"
        say(f"{duplicates:,} of {len(rows):,} reviews have the words of an earlier one, and {kept}")
    if both:
        say(f"warning: {both:,} texts have both labels")
    return rows[np.sort(first)] if settings.duplicates == "drop" else rows, duplicates, both


def _draw(share: float, labels: NDArray[np.int8], words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Draw the test rows: about the same share of each class, and all rows that have the same words or none.

    The words' hashes are random numbers: those with the smallest are drawn. So more rows do not change where the others
    go, but for a few at the limit.
    """
    _, first, group, sizes = np.unique(words, return_index=True, return_inverse=True, return_counts=True)
    testing = np.zeros(len(first), bool)
    for value, name in enumerate(_CLASSES):
        groups = np.flatnonzero(labels[first] == value)  # a text with both labels counts as what it is first
        ends = np.cumsum(sizes[groups])
        wanted = round(share * int(ends[-1])) if len(ends) else 0
        drawn = int(np.searchsorted(ends, wanted)) + 1
        if wanted == 0 or drawn >= len(groups):
            raise UserError(
                f"{len(groups):,} different {name} reviews are too few to split: test_share = {share} holds out "
                f"{wanted:,}, expected at least 1, and 1 left to train on.\nAdd reviews{_that_fit(groups, labels)}"
            )
        testing[groups[:drawn]] = True
    return testing[group]


def _that_fit(groups: NDArray[np.int64], labels: NDArray[np.int8]) -> str:
    """Values for test share and hold-out with which these reviews can be split."""
    if len(groups) < 2:
        return ""
    holdout = holdout_that_fits(len(labels) // 2)
    more = f" and train.holdout_rows to {holdout}" if holdout else ""
    return f", or set data.files.test_share to 0.5{more} in params.yaml"


def _shuffled(rows: NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Order rows by their hashes, those that have the same words last: a hold-out of the first rows shares none."""
    _, group, sizes = np.unique(words[rows], return_inverse=True, return_counts=True)
    return rows[np.lexsort((rows, group, sizes[group] > 1))]
