"""Keras's imdb.npz, damaged at random. Nothing that a pickle asks for is run."""

import io
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.download import imdb
from tests.download.test_imdb import ARRAYS, WORDS, npy, write_npz
from tests.fuzz.given import answer, check_batch, damaged


def packed() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **ARRAYS)  # type: ignore[arg-type]
    return file.getvalue()


def check(path: Path) -> None:
    """Read the file: it gives valid ranks and labels, or a documented error, and runs nothing."""
    read = answer(lambda: imdb.read_reviews(path, WORDS))
    assert not Path("canary").exists()
    for batch in (read or {}).values():
        check_batch(batch, WORDS)


@given(damaged(packed()))
def test_damaged_file(folder: Path, content: bytes) -> None:
    Path("imdb.npz").write_bytes(content)
    check(Path("imdb.npz"))


@given(st.sampled_from(["x_train", "y_train", "x_test", "y_test"]).flatmap(
    lambda name: st.tuples(st.just(name), damaged(npy(ARRAYS[name])))))  # fmt: skip
def test_damaged_member(folder: Path, change: tuple[str, bytes]) -> None:
    check(write_npz(Path("imdb.npz"), **dict([change])))
