"""Keras's npz: damaged, and with pickles that mean harm. Nothing that a pickle asks for is run."""

import io
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.download import imdb
from tests.download.test_imdb import ARRAYS, WORDS, npy, objects, write_npz
from tests.fuzz.bounds import bounded
from tests.fuzz.given import LENGTHS, answer, damaged

PICKLES = [pickle.dumps(ARRAYS["x_train"], protocol) for protocol in (2, 4)]
NAMES = ["os", "system", "posix", "builtins", "eval", "exec", "numpy", "ndarray", "dtype", "_codecs", "encode", "a\nb"]
NAMES += ["numpy._core.multiarray", "_reconstruct", "touch canary", "open('canary', 'w')", "latin1", "\x1b[31m"]


def packed() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **ARRAYS)  # type: ignore[arg-type]
    return file.getvalue()


def operation(code: pickletools.OpcodeInfo) -> st.SearchStrategy[bytes]:
    """An operation of a pickle with an argument of the right form, whose length may be a lie."""
    start = code.code.encode("latin1")
    if (form := code.arg) is None:
        return st.just(start)
    if form.n >= 0:
        numbers = st.binary(min_size=form.n, max_size=form.n)
        small = st.integers(0, 3).map(lambda number: number.to_bytes(form.n, "little"))
        return st.builds(bytes.__add__, st.just(start), small | numbers)
    if form.n == pickletools.UP_TO_NEWLINE:
        lines = 2 if "pair" in form.name else 1
        texts = st.lists(
            st.sampled_from([*NAMES, "1", "'a'", "-5", "1.5", "0", "9" * 5000]), min_size=lines, max_size=lines
        )
        return texts.map(lambda words: start + b"".join(f"{word}\n".encode() for word in words))
    size = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT8U: 8}.get(form.n, 4)
    content = st.sampled_from(NAMES).map(str.encode) | st.binary(max_size=20)
    honest = content.map(lambda text: start + len(text).to_bytes(size, "little") + text)
    lying = st.builds(lambda text, length: start + (length % 256**size).to_bytes(size, "little") + text, content,
                      st.sampled_from(LENGTHS))  # fmt: skip
    return honest | honest | lying


OPERATIONS = st.one_of([operation(code) for code in pickletools.opcodes])
ATTACK = st.sampled_from(
    [b"cos\nsystem\n(X\x0c\x00\x00\x00touch canarytR", b"cbuiltins\neval\n(X\x13\x00\x00\x00open('canary', 'w')..tR"]
)


def check(path: Path) -> None:
    """Read it, and look at what comes: ranks, labels, and nothing run."""
    read = answer(lambda: imdb.read_reviews(path, WORDS))
    assert not Path("canary").exists()
    for reviews in (read or {}).values():
        assert reviews.tokens.dtype == reviews.offsets.dtype == np.int32
        assert reviews.tokens.min() >= 1
        assert reviews.tokens.max() <= WORDS
        assert reviews.offsets[0] == 0
        assert reviews.offsets[-1] == len(reviews.tokens)
        assert (np.diff(reviews.offsets) >= 0).all()
        assert len(reviews.labels) == len(reviews.offsets) - 1
        assert set(reviews.labels.tolist()) <= {0, 1}


@given(damaged(packed()))
def test_damaged_file(folder: Path, content: bytes) -> None:
    Path("imdb.npz").write_bytes(content)
    check(Path("imdb.npz"))


@given(st.sampled_from(["x_train", "y_train", "x_test", "y_test"]).flatmap(
    lambda name: st.tuples(st.just(name), damaged(npy(ARRAYS[name])))))  # fmt: skip
def test_damaged_member(folder: Path, change: tuple[str, bytes]) -> None:
    check(write_npz(Path("imdb.npz"), **dict([change])))


@given(st.sampled_from(PICKLES).flatmap(damaged) | st.lists(OPERATIONS | ATTACK, max_size=30).map(b"".join))
@example(b"r" + b"\xff\xff\xff\x7f" + b"N.")
@example(b"N" + b"r" + b"\xff\xff\xff\x0f" + b".")  # as the 268,435,455th of what it remembers
@example(b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b".")
@example(b"\x80\x04\x95" + (1 << 62).to_bytes(8, "little") + b"N.")
@example(b"(" * 10**6 + b".")
@example(b"]" * 10**6 + b"a" * (10**6 - 1) + b".")
@example(b"\x80\x02cos\nsystem\nX\x0c\x00\x00\x00touch canary\x85R.")
def test_any_pickle(folder: Path, content: bytes) -> None:
    check(write_npz(Path("imdb.npz"), x_train=npy(ARRAYS["x_train"], content)))
    check(write_npz(Path("imdb.npz"), x_train=npy(ARRAYS["x_train"], PICKLES[0][:-1] + b"0" + content)))


@given(st.lists(st.lists(st.integers(1, WORDS), max_size=20), min_size=1, max_size=20), st.data())
def test_any_reviews_come_back(folder: Path, rows: list[list[int]], data: st.DataObject) -> None:
    """In Keras's order, which is NumPy's shuffle of the first split of the two."""
    rows[0] = [*rows[0], 1]
    labels = data.draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows)))
    read = imdb.read_reviews(write_npz(Path("a.npz"), x_train=objects(rows), y_train=np.array(labels)), WORDS)["train"]
    order = np.random.RandomState(113).permutation(len(rows))
    found = [read.tokens[a:b].tolist() for a, b in zip(read.offsets[:-1], read.offsets[1:], strict=True)]
    assert found == [rows[row] for row in order]
    assert read.labels.tolist() == [labels[row] for row in order]


def header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": shape})
    return file.getvalue()


def same_list_again_and_again() -> bytes:
    """A list of 10,000 times the list of 10,000 ranks."""
    items: list[Any] = [[1] * 10_000] * 10_000
    return header((10_000,)) + pickle.dumps(objects(items))


def many_empty_lists() -> bytes:
    """Of a byte each in the pickle, and 56 in memory."""
    return header((1,)) + b"(" + b"]" * 10**7 + b"l."


def zeros(size: int) -> bytes:
    return npy(ARRAYS["x_train"], b"\x80\x04\x8e" + size.to_bytes(8, "little") + bytes(size) + b".")


@pytest.mark.parametrize("member", [same_list_again_and_again(), many_empty_lists(), zeros(1 << 28)], ids=range(3))
def test_bombs_are_left_before_they_fill_the_memory(folder: Path, member: bytes) -> None:
    with zipfile.ZipFile("imdb.npz", "w", zipfile.ZIP_DEFLATED) as members:
        for name, array in ARRAYS.items():
            members.writestr(f"{name}.npy", member if name == "x_train" else npy(array))
    with bounded():
        check(Path("imdb.npz"))
