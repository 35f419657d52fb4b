"""What every source hands over, and its digest."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stages.contracts.reviews import Reviews
from stages.params import TokenizerName


@dataclass(frozen=True)
class Corpus:
    """Reviews as token ids, with their vocabulary."""

    source: str
    """The name that params.yaml knows the source by."""
    words: list[str]
    """Word r - 1 has frequency rank r."""
    counts: NDArray[np.int64]
    """(words,) how often the training split has each word."""
    splits: dict[str, Iterable[Reviews]]
    """The reviews of `train` and `test`, in batches, to be gone through once."""
    tokenizer: TokenizerName = "keras"
    """What cut, or would cut, a text into these words."""


@dataclass
class Digest:
    """Counts the rows of batches that pass through, and hashes their content.

    Tokens, lengths and labels are hashed as three streams of little-endian numbers, so that the digest does not depend
    on how a source cuts its reviews into batches.
    """

    rows: int = 0
    _streams: tuple["hashlib._Hash", ...] = field(default_factory=lambda: tuple(hashlib.sha256() for _ in range(3)))

    def through(self, batches: Iterable[Reviews]) -> Iterator[Reviews]:
        """Yield the batches as they come."""
        for batch in batches:
            for stream, values in zip(
                self._streams,
                (batch.tokens.astype("<i4"), np.diff(batch.offsets).astype("<i4"), batch.labels.astype("<u1")),
                strict=True,
            ):
                stream.update(values.tobytes())
            self.rows += len(batch)
            yield batch

    def digest(self) -> bytes:
        """The SHA-256 over the three streams' SHA-256."""
        return hashlib.sha256(b"".join(stream.digest() for stream in self._streams)).digest()


def sha256(words: list[str], splits: Iterable[Digest]) -> str:
    """The SHA-256 of a corpus in hexadecimal: of the digests of its splits, in order, and of its words, a line each."""
    content = b"".join(split.digest() for split in splits) + "\n".join(words).encode()
    return hashlib.sha256(content).hexdigest()
