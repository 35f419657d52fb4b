"""What each source returns: a corpus, and its digest."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.contracts.reviews import OwnReviews, Reviews
from stages.encoding import TokenizerName

Part = Callable[[], Iterator[Reviews]]
"""Returns the reviews of a part in batches. It may be called in another process."""


@dataclass(frozen=True)
class Corpus:
    """Reviews as token ids, with their vocabulary."""

    source: str
    """The name of the source in params.yaml."""
    words: pa.Array
    """Word r - 1 has frequency rank r."""
    counts: NDArray[np.int64]
    """(words,) the count of each word in the training split."""
    splits: Mapping[str, Sequence[Part]]
    """The parts of `train` and `test`."""
    tokenizer: TokenizerName = "keras"
    """The tokenizer that splits a text into these words."""
    own: OwnReviews | None = None
    """What there is to tell of your own reviews."""
    size: int = 0
    """The bytes that it takes to make the parts, which decide whether other processes are worth it."""
    scratch: object = None
    """The temporary folder that the parts read. It is removed when nothing refers to this object any more."""

    def reviews(self, split: str) -> Iterator[Reviews]:
        """Yield the reviews of a split in batches."""
        for part in self.splits[split]:
            yield from part()


_WORDS = 1 << 20
"""Words that are hashed at a time."""


@dataclass
class Digest:
    """Counts rows of a part and hashes their content, batch by batch.

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


def sha256(words: pa.Array, parts: Iterable[bytes]) -> str:
    """Return the SHA-256 of a corpus in hexadecimal: of the digests of its parts, then of its words, one per line."""
    digest = hashlib.sha256(b"".join(parts))
    for start in range(0, len(words), _WORDS):
        text = "\n".join(words.slice(start, _WORDS).to_pylist())
        digest.update(("\n" * bool(start) + text).encode())
    return digest.hexdigest()
