"""Source `aclimdb`: the reviews as text, in the archive that Stanford publishes.

`aclImdb_v1.tar.gz` is 84 MB and holds 25,000 + 25,000 labelled reviews of 1,300 characters on average, a file each:
`aclImdb/{train,test}/{pos,neg}/NUMBER_RATING.txt`. It is read as a stream and never unpacked to disk.
"""

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.console import UserError, one_line
from stages.download import fetch
from stages.download.corpus import Corpus
from stages.download.encoder import Encoder
from stages.encoding.tokenizers import Tokenizer

ADDRESS = "https://ai.stanford.edu/~amaas/data/sentiment"
FILES = {"aclImdb_v1.tar.gz": "md5:7c2ac02c03563afcf9b574c7e56c153a"}
"""The archive's checksum."""

_REVIEW = re.compile("aclImdb/(train|test)/(neg|pos)/([0-9]+_[0-9]+[.]txt)")
_DAMAGE = (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, RecursionError)
"""What tarfile and zlib raise for a damaged archive, the last three for its headers; ValueError for bad UTF-8, too."""


class Review(NamedTuple):
    """A review in the archive."""

    split: str
    label: int
    file: str
    text: str


def load(tokenizer: Tokenizer) -> Corpus:
    """Get the reviews in the row order of the source `imdb`.

    With the tokenizer `keras` the tokens are those of `imdb` too, except for the ranks of words that are equally
    frequent: here these are in alphabetical order, and there in an unknown one.

    Raises:
        fetch.Unavailable: The archive is in none of the places.
        UserError: The archive is damaged, or lacks a class of reviews.
    """
    (path,) = fetch.find("aclimdb", FILES, [ADDRESS])
    encoder = Encoder(tokenizer)
    files = []
    for review in tqdm(read(path), desc="reading", unit=" reviews", disable=None):
        encoder.add(review.text, review.label)
        files.append((review.split, -review.label, review.file))  # pos before neg
    generator = np.random.RandomState(113)  # keras.datasets.imdb.load_data's: train first, then test
    train, test = (_rows(path, files, split, generator) for split in ("train", "test"))
    return encoder.corpus("aclimdb", train, test)


def _rows(
    path: Path, files: list[tuple[str, int, str]], split: str, generator: np.random.RandomState
) -> NDArray[np.int64]:
    """Return the indices of a split's files, sorted by name and then shuffled as Keras does it."""
    rows = np.array(sorted((row for row in range(len(files)) if files[row][0] == split), key=files.__getitem__))
    if len({files[row][1] for row in rows}) < 2:
        raise UserError(f"{path} has no files in aclImdb/{split}/pos or aclImdb/{split}/neg: get another copy")
    generator.shuffle(rows)
    return rows


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
                    split, kind, name = match.groups()
                    yield Review(split, int(kind == "pos"), name, file.read().decode())
    except _DAMAGE as error:
        raise UserError(f"{path} is damaged ({one_line(error)}): get another copy") from None
