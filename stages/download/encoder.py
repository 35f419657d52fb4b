"""From texts to a corpus: words are numbered in order of appearance, then ranked by frequency."""

import os
import tempfile
import weakref
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.reviews import Reviews
from stages.download.corpus import Corpus
from stages.encoding.tokenizers import Tokenizer

_TOKENS = 1 << 22
"""Tokens in a batch, up to one review more: 16 MiB."""


class Encoder:
    """Collects reviews one at a time, in any order, and makes a corpus of them.

    The rank of a word is only known after the last review. Until then each distinct word has a number, in order of
    appearance, and the reviews wait as such numbers in a temporary file: 4 bytes a word, in the folder that TMPDIR
    names. Memory holds the distinct words, about 150 bytes each, and 8 bytes a review.

    Example:
        >>> encoder = Encoder(str.split)
        >>> for text in ("good film", "bad film"):
        ...     _ = encoder.add(text)
        >>> encoder.corpus("example", np.array([1, 0]), train=np.array([1, 0]), test=np.array([0])).words
        ['film', 'bad', 'good']
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenize = tokenizer
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__
        # Not in a `with`, because a corpus reads from it later. The file has no name and is removed with the encoder.
        # `raw` is closed, so that a full disk raises no error for what is still in the buffer.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.raw.close)
        self._lengths = array("q")

    def add(self, text: str) -> list[str]:
        """Add a review as the next row.

        Returns:
            Its words.

        Raises:
            UserError: There is no room for the temporary file.
        """
        words = self._tokenize(text)
        numbers = array("i", map(self._numbers.__getitem__, words))
        self._lengths.append(len(numbers))
        with self._room():
            self._file.write(numbers)
        return words

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()} cannot be written to ({error.strerror}) after {len(self._lengths):,} "
                "reviews: set TMPDIR to a folder with room for 4 bytes a word"
            ) from None

    def corpus(
        self,
        source: str,
        labels: NDArray[np.uint8],
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        details: pa.Table | None = None,
    ) -> Corpus:
        """Make a corpus of the reviews. Add no more reviews after this.

        Words are ranked by descending frequency in the training split, equally frequent ones by code point. Words that
        are not in the training split are dropped from the test split.

        Args:
            source: The source's name in params.yaml.
            labels: (rows,) 1 for positive, 0 for negative. Labels of rows in neither split have no meaning.
            train: The rows of the training split, in their order there.
            test: The rows of the test split, in their order there.
            details: What else is known of each row.

        Raises:
            UserError: There is no room for the temporary file.
        """
        with self._room():
            self._file.flush()
        words = list(self._numbers)
        counts = np.zeros(len(words), np.int64)
        for batch in self._read(np.sort(train), labels):
            counts += np.bincount(batch.tokens, minlength=len(words))
        alphabetical = np.array(sorted(range(len(words)), key=words.__getitem__), np.int64)
        ranked = alphabetical[np.argsort(-counts[alphabetical], kind="stable")]
        ranked = ranked[counts[ranked] > 0]
        ranks = np.zeros(len(words), np.int32)
        ranks[ranked] = np.arange(1, len(ranked) + 1)
        return Corpus(
            source,
            [words[number] for number in ranked],
            counts[ranked],
            {split: self._encode(rows, labels, ranks, details) for split, rows in (("train", train), ("test", test))},
        )

    def _encode(
        self, rows: NDArray[np.int64], labels: NDArray[np.uint8], ranks: NDArray[np.int32], details: pa.Table | None
    ) -> Iterator[Reviews]:
        """Yield the reviews of `rows` with ranks as tokens, without the words of rank 0."""
        for batch in self._read(rows, labels, details):
            tokens = ranks[batch.tokens]
            kept = np.concatenate([[0], np.cumsum(tokens > 0)]).astype(np.int32)
            yield Reviews(tokens[tokens > 0], kept[batch.offsets], batch.labels, batch.details)

    def _read(
        self, rows: NDArray[np.int64], labels: NDArray[np.uint8], details: pa.Table | None = None
    ) -> Iterator[Reviews]:
        """Yield the reviews of `rows` in batches, in the order of `rows`, with the words' numbers as tokens."""
        lengths = np.array(self._lengths)
        starts = np.cumsum(lengths) - lengths
        ends = np.cumsum(lengths[rows] + 1)  # + 1: empty reviews fill a batch, too
        for batch in np.split(rows, np.flatnonzero(np.diff(ends // _TOKENS)) + 1):
            content = b"".join(
                os.pread(self._file.fileno(), 4 * length, 4 * start)
                for start, length in zip(starts[batch].tolist(), lengths[batch].tolist(), strict=True)
            )
            offsets = np.concatenate([[0], np.cumsum(lengths[batch])]).astype(np.int32)
            taken = None if details is None else details.take(batch)
            yield Reviews(np.frombuffer(content, np.int32), offsets, labels[batch], taken)
