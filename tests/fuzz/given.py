"""Shared by the fuzz tests: random texts, damaged bytes, and checks of errors and of reviews."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from stages.console import UserError
from stages.contracts.reviews import Reviews

T = TypeVar("T")

LENGTHS = [0, 1, 127, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
"""Numbers that are put where a format has a length."""

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


def answer(call: Callable[[], T], *, lines: int = 2, naming: Iterable[str] = ("",)) -> T | None:
    """Return what `call` returns, or None if it raises a documented error.

    Such an error has at most `lines` printable lines, and its first line contains one of `naming`.
    """
    try:
        return call()
    except UserError as error:
        said = str(error).split("\n")
        assert 1 <= len(said) <= lines, said
        assert all(0 < len(line) < 1000 and line.isprintable() for line in said), ascii(said)
        assert any(name in said[0] for name in naming), ascii(said)
        return None


def check_batch(batch: Reviews, words: int) -> None:
    """Check that reviews have valid labels, and ranks of a vocabulary of so many words."""
    assert [values.dtype for values in (batch.tokens, batch.offsets, batch.labels)] == [np.int32, np.int32, np.uint8]
    assert batch.offsets[0] == 0
    assert batch.offsets[-1] == len(batch.tokens)
    assert (np.diff(batch.offsets) >= 0).all()
    assert len(batch.offsets) == len(batch.labels) + 1
    assert ((batch.tokens >= 1) & (batch.tokens <= words)).all()
    assert np.isin(batch.labels, (0, 1)).all()


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Draw the bytes of a valid file with one to four changes."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["change", "change", "remove", "insert", "cut", "repeat", "length"])):
            case "change":
                content[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "remove":
                del content[at : at + draw(st.integers(1, 64))]
            case "insert":
                content[at:at] = draw(st.binary(max_size=16))
            case "cut":
                del content[at:]
            case "repeat":
                start = draw(st.integers(0, len(content)))
                content[at:at] = content[start : start + draw(st.integers(1, 64))]
            case "length":
                size, order = draw(st.sampled_from([4, 8])), draw(st.sampled_from(["little", "big"]))
                number = draw(st.sampled_from(LENGTHS)) % 256**size
                content[at : at + size] = number.to_bytes(size, order)
    return bytes(content)
