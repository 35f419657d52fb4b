"""What each source returns: a corpus, and its digest."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stages.contracts.reviews import OwnReviews, Reviews
from stages.encoding import TokenizerName


@dataclass(frozen=True)
class Corpus:
    """Reviews as token ids, with their vocabulary."""

    source: str
    """The name of the source in params.yaml."""
    words: list[str]
    """Word r - 1 has frequency rank r."""
    counts: NDArray[np.int64]
    """(words,) the count of each word in the training split."""
    splits: dict[str, Iterable[Reviews]]
    """The reviews of `train` and `test` in batches, to be iterated once."""
    tokenizer: TokenizerName = "keras"
    """The tokenizer that splits a text into these words."""
    own: OwnReviews | None = None
    """What there is to tell of your own reviews."""


@dataclass
class Digest:
    """Counts rows and hashes their content, batch by batch.

    Tokens, lengths and labels are hashed as three streams of little-endian numbers, so that the digest does not depend
    on the sizes of the batches.
    """

    rows: int = 0
    _streams: tuple["hashlib._Hash", ...] = field(default_factory=lambda: tuple(hashlib.sha256() for _ in range(3)))

    def through(self, batches: Iterable[Reviews]) -> Iterator[Reviews]:
        """Yield the given batches, and add each to the digest."""
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
        """Return the SHA-256 of the SHA-256 of the three streams."""
        return hashlib.sha256(b"".join(stream.digest() for stream in self._streams)).digest()


def sha256(words: list[str], splits: Iterable[Digest]) -> str:
    """Return the SHA-256 of a corpus in hexadecimal: of the digests of its splits, then of its words, one per line."""
    content = b"".join(split.digest() for split in splits) + "\n".join(words).encode()
    return hashlib.sha256(content).hexdigest()
