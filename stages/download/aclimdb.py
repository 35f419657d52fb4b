"""Source `aclimdb`: the reviews as text, in the archive that Stanford publishes.

`aclImdb_v1.tar.gz` is 84 MB and holds 25,000 + 25,000 labelled reviews of 1,300 characters on average, a file each:
`aclImdb/{train,test}/{pos,neg}/NUMBER_RATING.txt`. It is read as a stream and never unpacked to disk. If you have
unpacked it, ACLIMDB_MIRROR may name the folder.
"""

import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from stages import workers
from stages.console import UserError, one_line, say
from stages.download import encoder, fetch, tokens
from stages.download.corpus import Corpus
from stages.encoding import TokenizerName
from stages.tables.rows import Row

ADDRESS = "https://ai.stanford.edu/~amaas/data/sentiment"
FILES = {"aclImdb_v1.tar.gz": "md5:7c2ac02c03563afcf9b574c7e56c153a"}
"""The archive's checksum."""

_REVIEW = re.compile("aclImdb/(train|test)/(neg|pos)/([0-9]+_([0-9]+)[.]txt)")
_DAMAGE = (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, RecursionError)
"""What tarfile and zlib raise for a damaged archive, the last three for its headers; ValueError for bad UTF-8, too."""


_ROWS = 2500
"""Reviews that are tokenized at a time, by one process."""


class Review(NamedTuple):
    """A review in the archive."""

    split: str
    label: int
    file: str
    rating: int
    """From 1 to 10."""
    text: str


def load(tokenizer: TokenizerName) -> Corpus:
    """Get the reviews in the row order of the source `imdb`.

    With the tokenizer `keras` the tokens are those of `imdb` too, except for the ranks of words that are equally
    frequent: here these are in alphabetical order, and there in an unknown one.

    Raises:
        fetch.Unavailable: The archive is in none of the places.
        UserError: The archive is damaged, or lacks a class of reviews.
    """
    path = _unpacked()
    if path:
        say(f"{path} is an unpacked archive: its checksum is not checked")
    else:
        (path,) = fetch.find("aclimdb", FILES, [ADDRESS])
    reviews = list(tqdm((read_folder if path.is_dir() else read)(path), "reading", unit=" reviews", disable=None))
    units = [_ArchiveUnit(path, start, reviews[start : start + _ROWS]) for start in range(0, len(reviews), _ROWS)]
    # Reading takes half of the time, and this process does it: with `keras`, other processes save less than they take.
    size = sum(len(review.text) for review in reviews) if tokenizer == "unicode" else 0
    tokenized = workers.run(tokens.tokenize, tokens.tasks(units, tokenizer), size, "tokenizing", units)
    files = [(review.split, -review.label, review.file) for review in reviews]  # pos before neg
    generator = np.random.RandomState(113)  # keras.datasets.imdb.load_data's: train first, then test
    train, test = (_rows(path, files, split, generator) for split in ("train", "test"))
    labels = np.array([review.label for review in reviews], np.uint8)
    ratings = pa.table({"rating": np.array([review.rating for review in reviews], np.uint8)})
    made = encoder.corpus("aclimdb", tokenized, labels, (train, test), size, details=ratings)
    return replace(made, tokenizer=tokenizer)


@dataclass(frozen=True)
class _ArchiveUnit:
    """Some reviews that follow each other in the archive."""

    path: Path
    start: int
    reviews: list[Review]

    def __str__(self) -> str:
        return f"{self.path}, review {self.start + 1:,}"

    def content(self) -> Iterator[bytes]:
        for review in self.reviews:
            yield f"{len(review.text)} ".encode() + review.text.encode()

    def meaning(self) -> str:
        return "reviews"

    def rows(self) -> Iterator[Row]:
        return (Row(str(self.path), review.text) for review in self.reviews)


def _rows(
    path: Path, files: list[tuple[str, int, str]], split: str, generator: np.random.RandomState
) -> NDArray[np.int64]:
    """Return the indices of a split's files, sorted by name and then shuffled as Keras does it."""
    rows = np.array(sorted((row for row in range(len(files)) if files[row][0] == split), key=files.__getitem__))
    if len({files[row][1] for row in rows}) < 2:
        raise UserError(f"{path} has no files in aclImdb/{split}/pos or aclImdb/{split}/neg: get another copy")
    generator.shuffle(rows)
    return rows


def _unpacked() -> Path | None:
    """The folder `aclImdb` with its train/ and test/, if ACLIMDB_MIRROR names it or the folder around it."""
    if not os.environ.get("ACLIMDB_MIRROR"):
        return None
    place = Path(os.environ["ACLIMDB_MIRROR"]).expanduser()
    return next((each for each in (place, place / "aclImdb") if (each / "train" / "pos").is_dir()), None)


def read_folder(folder: Path) -> Iterator[Review]:
    """Read the labelled reviews of the unpacked archive, the folder being its `aclImdb`.

    Raises:
        UserError: a file is not UTF-8.
    """
    for path in folder.glob("*/*/*.txt"):
        match = _REVIEW.fullmatch(f"aclImdb/{path.relative_to(folder).as_posix()}")
        if match:
            try:
                yield _review(match, path.read_bytes())
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: byte {error.start + 1} is not UTF-8; get the archive anew") from None
            except ValueError as error:
                raise UserError(f"{path}: {error}; get the archive anew") from None


def _review(match: re.Match[str], content: bytes) -> Review:
    """Make a review of a file's name, as `_REVIEW` matches it, and of its content."""
    split, kind, name, rating = match.groups()
    if not 1 <= int(rating) <= 10:
        raise ValueError(f"its name gives the rating {rating}; expected 1 to 10")
    return Review(split, int(kind == "pos"), name, int(rating), content.decode())


def read(path: Path) -> Iterator[Review]:
    """Read the labelled reviews of the archive at `path`, in the order of its members.

    Raises:
        UserError: The archive is damaged, or a review is not UTF-8.
    """
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # or tarfile keeps all of them
                match = _REVIEW.fullmatch(member.name)
                file = archive.extractfile(member) if match and member.isreg() else None
                if match and file:
                    yield _review(match, file.read())
    except _DAMAGE as error:
        raise UserError(f"{path} is damaged ({one_line(error)}): get another copy") from None
