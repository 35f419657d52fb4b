"""Source `aclimdb`: the reviews as text, in the archive that Stanford publishes.

`aclImdb_v1.tar.gz` is 84 MB and holds 25,000 + 25,000 labelled reviews of 1,300 characters on average, a file each:
`aclImdb/{train,test}/{pos,neg}/NUMBER_RATING.txt`. It is read as a stream, and never unpacked to disk; but if you have
unpacked it, ACLIMDB_MIRROR may name the folder.
"""

import gzip
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.console import UserError, one_line, say
from stages.download import fetch, mirror
from stages.download.corpus import Corpus
from stages.download.encoder import Encoder
from stages.encoding.tokenizers import LONGEST, Tokenizer

ADDRESS = "https://ai.stanford.edu/~amaas/data/sentiment"
ARCHIVE = fetch.Expected("aclImdb_v1.tar.gz", "md5", "7c2ac02c03563afcf9b574c7e56c153a")

LARGEST = 1 << 30
"""Bytes that the archive may unpack to."""
_HEADERS = 1 << 20
"""Bytes that may lie between the content of two members."""
_ENDS = 10
"""How often a reader may find that there is no more: twice or so, if it does not look for a whole gigabyte there."""
_REVIEW = re.compile("aclImdb/(train|test)/(neg|pos)/([0-9]+_[0-9]+[.]txt)")

_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError, RecursionError)
"""How it shows; the last three where a header has no number for a number, or is for a header for a header and so on."""


class Review(NamedTuple):
    """A member of the archive."""

    split: str
    label: int
    file: str
    text: str


def load(tokenizer: Tokenizer) -> Corpus:
    """Get the reviews in the row order of the source `imdb`.

    With the tokenizer `keras` the tokens are those of `imdb` as well, but for the ranks of words that are equally
    frequent: those follow the alphabet here, and nothing that is known there.

    Raises:
        fetch.Unavailable: none of the places has the archive.
        UserError: the archive is not what it should be.
    """
    path = _unpacked()
    if path:
        say(f"{path} is an unpacked archive: there is no checksum for it")
    else:
        (path,) = mirror.find("aclimdb", [ADDRESS], [ARCHIVE])
    encoder = Encoder(tokenizer)
    files = []
    for review in tqdm((read_folder if path.is_dir() else read)(path), desc="reading", unit=" reviews", disable=None):
        encoder.add(review.text)
        files.append((review.split, -review.label, review.file))  # pos before neg
    generator = np.random.RandomState(113)  # keras.datasets.imdb.load_data's: train first, then test
    train, test = (_rows(path, files, split, generator) for split in ("train", "test"))
    labels = np.array([-label for _, label, _ in files], np.uint8)
    return encoder.corpus("aclimdb", labels, train, test)


def _rows(
    path: Path, files: list[tuple[str, int, str]], split: str, generator: np.random.RandomState
) -> NDArray[np.int64]:
    """Which of the files make a split, shuffled from the order of their names as Keras does it."""
    rows = np.array(sorted((row for row in range(len(files)) if files[row][0] == split), key=files.__getitem__))
    if len({files[row][1] for row in rows}) < 2:
        raise UserError(f"{path} lacks files in aclImdb/{split}/pos or aclImdb/{split}/neg; get it anew")
    generator.shuffle(rows)
    return rows


def _unpacked() -> Path | None:
    """The folder `aclImdb` with its train/ and test/, if ACLIMDB_MIRROR names it or the folder around it."""
    place = Path(os.environ.get("ACLIMDB_MIRROR") or "nowhere").expanduser()
    return next((each for each in (place, place / "aclImdb") if (each / "train" / "pos").is_dir()), None)


def read_folder(folder: Path) -> Iterator[Review]:
    """Read the labelled reviews of the unpacked archive, the folder being its `aclImdb`.

    Raises:
        UserError: a file is not UTF-8.
    """
    for path in folder.glob("*/*/*.txt"):
        match = _REVIEW.fullmatch(f"aclImdb/{path.relative_to(folder).as_posix()}")
        if match:
            split, kind, name = match.groups()
            try:
                yield Review(split, int(kind == "pos"), name, path.read_bytes().decode())
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: byte {error.start + 1} is not UTF-8; get the archive anew") from None


def read(path: Path) -> Iterator[Review]:
    """Read the labelled reviews of the archive at `path`, in the order of its members.

    Raises:
        UserError: the archive is damaged, too large, or holds what it should not: links, devices, names that lead out
            of its folder, reviews of more than `LONGEST` bytes, a review twice, bytes that are not UTF-8.
    """
    seen = set()
    try:
        with gzip.open(path) as file:
            stream = _Bounded(file, path)
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
                while (member := archive.next()) is not None:
                    archive.members = []  # tarfile keeps them all otherwise
                    stream.limit = archive.offset + _HEADERS
                    match = _check(path, member)
                    if match is None:
                        continue
                    if member.name in seen:
                        raise UserError(f"{path} holds {member.name!r} twice; get it anew")
                    seen.add(member.name)
                    split, kind, name = match.groups()
                    yield Review(split, int(kind == "pos"), name, _text(path, archive, member))
            while stream.read(1 << 16):  # to the end, where gzip's checksum of all this is
                pass
    except _DAMAGE as error:
        raise UserError(f"{path} is truncated or damaged ({one_line(error)}); remove it and get it anew") from None


def _check(path: Path, member: tarfile.TarInfo) -> re.Match[str] | None:
    """The parts of a review's name, or None for a member to be skipped."""
    refused = f"{path} is not to be trusted: its member {member.name[:100]!r}"
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise UserError(f"{refused} leads out of the archive's folder. Remove it and get it anew")
    if not (member.isreg() or member.isdir()):
        raise UserError(f"{refused} is neither file nor folder. Remove it and get it anew")
    match = _REVIEW.fullmatch(member.name) if member.isreg() else None
    most = LONGEST if match else LARGEST
    if not 0 <= member.size <= most:
        raise UserError(f"{refused} says it has {member.size:,} bytes, expected {most:,} at most. Get it anew")
    return match


def _text(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    assert file is not None  # noqa: S101 (a regular file)
    try:
        return file.read().decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start + 1} of {member.name!r} is not UTF-8; get it anew") from None


class _Bounded:
    """An unpacked stream that stops with an error before it fills the memory, or takes for ever."""

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self._file, self._path = file, path
        self._position = self._ends = 0
        self.limit = _HEADERS
        """How far the stream may be read."""

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._position += len(content)
        self._ends += not content
        if self._ends > _ENDS:
            raise EOFError("it ends within a member")
        if self._position > min(self.limit, LARGEST):
            raise UserError(f"{self._path} unpacks to far more than it should; remove it and get it anew")
        return content
