"""The source imdb on small files in Keras's format: valid, damaged and malicious ones."""

import gc
import hashlib
import importlib
import io
import json
import os
import pickle
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.reviews import RAW, SPLITS
from stages.download import __main__ as stage
from stages.download import fetch, imdb
from tests.conftest import token_lists

WORDS = 50
GENERATOR = np.random.default_rng(0)


def objects(rows: list[Any]) -> NDArray[Any]:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def lists(rows: int) -> NDArray[Any]:
    lengths = GENERATOR.integers(0, 30, rows)
    return objects([GENERATOR.integers(1, WORDS + 1, length).tolist() for length in lengths])


ARRAYS = {
    "x_train": lists(40),
    "y_train": GENERATOR.integers(0, 2, 40),
    "x_test": lists(30),
    "y_test": GENERATOR.integers(0, 2, 30),
}
INDEX = {f"word{rank}é": rank for rank in GENERATOR.permutation(np.arange(1, WORDS + 1)).tolist()}


def npy(array: NDArray[Any], pickled: bytes | None = None) -> bytes:
    """An npy file, with another pickle than NumPy's if one is given."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    if pickled is None and not array.dtype.hasobject:
        return file.getvalue() + array.tobytes()
    return file.getvalue() + (pickle.dumps(array) if pickled is None else pickled)


def write_npz(path: Path, **changed: NDArray[Any] | bytes | None) -> Path:
    """Write the four arrays. Some may be replaced by other arrays or bytes of an npy file, or left out (None)."""
    with zipfile.ZipFile(path, "w") as members:
        for name, content in {**ARRAYS, **changed}.items():
            if content is not None:
                members.writestr(
                    zipfile.ZipInfo(f"{name}.npy"), content if isinstance(content, bytes) else npy(content)
                )
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Reading


def assert_read_as_numpy_does(path: Path) -> None:
    """Compare with `np.load`, which trusts the file, and Keras's shuffle."""
    generator = np.random.RandomState(113)
    read = imdb.read_reviews(path, WORDS)
    assert gc.isenabled()
    with np.load(path, allow_pickle=True) as arrays:
        for split in SPLITS:
            order = np.arange(len(arrays[f"x_{split}"]))
            generator.shuffle(order)
            assert token_lists(read[split]) == arrays[f"x_{split}"][order].tolist()
            assert read[split].labels.tolist() == arrays[f"y_{split}"][order].tolist()


@pytest.mark.parametrize("numpy", ["numpy.core.multiarray", "numpy._core.multiarray"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_reads_every_pickle_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, numpy: str
) -> None:
    monkeypatch.setattr(np.empty(0).__reduce__()[0], "__module__", numpy)
    pickles = {name: pickle.dumps(ARRAYS[name], protocol) for name in ("x_train", "x_test")}
    assert all(numpy.encode() in pickled and pickled[1] == protocol for pickled in pickles.values())
    path = write_npz(tmp_path / "a.npz", **{name: npy(ARRAYS[name], content) for name, content in pickles.items()})
    assert_read_as_numpy_does(path)


def test_reads_pickles_of_python_2(tmp_path: Path) -> None:
    class Python2(pickle._Pickler):
        """Writes bytes as Python 2 did its strings."""

        dispatch: ClassVar[dict[type, Callable[..., None]]] = {
            **pickle._Pickler.dispatch,
            bytes: lambda self, value: self.write(pickle.SHORT_BINSTRING + bytes([len(value)]) + value),
        }

    file = io.BytesIO()
    Python2(file, 2).dump(ARRAYS["x_train"])
    assert b"_codecs" not in file.getvalue()
    assert_read_as_numpy_does(write_npz(tmp_path / "a.npz", x_train=npy(ARRAYS["x_train"], file.getvalue())))


def test_order_and_encoding_agree_with_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keras_imdb = importlib.import_module("keras.src.datasets.imdb")
    path = write_npz(tmp_path / "imdb.npz")
    monkeypatch.setattr(keras_imdb, "get_file", lambda **_: str(path))
    read = imdb.read_reviews(path, WORDS)
    for split, (sequences, labels) in zip(SPLITS, keras_imdb.load_data(num_words=WORDS + 4), strict=True):
        assert [[1] + [rank + 3 for rank in ranks] for ranks in token_lists(read[split])] == sequences.tolist()
        assert read[split].labels.tolist() == labels.tolist()
        assert [column.dtype.str for column in list(vars(read[split]).values())[:3]] == ["<i4", "<i4", "|u1"]


# Refusing


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that exists after an attack has run."""
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    return tmp_path / "canary"


def calling(module: str, name: str, argument: str) -> bytes:
    """A pickle that calls a function with a string."""
    return b"\x80\x02c%s\n%s\nX%s%s\x85R." % (
        module.encode(), name.encode(), len(argument).to_bytes(4, "little"), argument.encode()
    )  # fmt: skip


ATTACKS = {
    "os-system": calling("os", "system", "touch canary"),
    "posix-system": calling("posix", "system", "touch canary"),
    "eval": calling("builtins", "eval", "open('canary', 'w')"),
    "eval-python-2": calling("__builtin__", "eval", "open('canary', 'w')"),
    "numpy-load": calling("numpy", "load", "array.npy"),
    "numpy-fromfile": calling("numpy", "fromfile", "array.npy"),
    "multiarray-fromfile": calling("numpy.core.multiarray", "fromfile", "array.npy"),
    "_multiarray-fromfile": calling("numpy._core.multiarray", "fromfile", "array.npy"),
    "memmap": calling("numpy", "memmap", "array.npy"),
    "pathlib-attribute": b"\x80\x04\x8c\x07pathlib\x8c\x0aPath.touch\x93\x8c\x06canary\x85R.",
    "numpy-attribute": b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93\x8c\x06canary\x85R.",
    "other-codec": calling("codecs", "encode", "canary"),
}


class Payload:
    """Runs a command when its pickle is loaded."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.system, ("touch canary",)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_refuses_attacks(canary: Path, attack: str) -> None:
    path = write_npz(canary.parent / "a.npz", x_test=npy(ARRAYS["x_test"], ATTACKS[attack]))
    before = sorted(canary.parent.iterdir())
    with pytest.raises(UserError, match=r"a\.npz is not Keras's imdb\.npz \(its pickle asks for [\w.]+\): "):
        imdb.read_reviews(path, WORDS)
    assert sorted(canary.parent.iterdir()) == before
    assert gc.isenabled()
    if attack not in ("numpy-attribute", "other-codec"):  # the others are real: pickle itself runs them
        assert isinstance(pickle.loads(ATTACKS[attack]), np.ndarray) or canary.exists()


@pytest.mark.parametrize("rows", [[Payload()], [[1], Payload()], [[1, Payload()]]], ids=["item", "second", "nested"])
def test_refuses_attacks_inside_an_array(canary: Path, rows: list[Any]) -> None:
    path = write_npz(canary.parent / "a.npz", x_train=objects(rows), y_train=np.zeros(len(rows), int))
    with pytest.raises(UserError, match=r"its pickle asks for posix\.system"):
        imdb.read_reviews(path, WORDS)
    assert not canary.exists()
    with np.load(path, allow_pickle=True) as arrays:
        assert len(arrays["x_train"]) == len(rows)
    assert canary.exists()  # so it would have been run


@pytest.mark.parametrize(
    "row",
    [
        [1, "2"], ["1"], [1.0], [1.5], [None], [0], [-1], [WORDS + 1], [2**31], [-(2**31) - 1],
        [2**63], [2**100], [10**1000], [[1]], [np.array([1, 2])], [np.array([[1], [2]], object)], [objects([1])],
        [b"1"], "12", b"\x01\x02", (1, 2), {1: 2}, {1, 2}, None, 1, 1.5, np.array([1, 2]), objects([1]),
        np.dtype("i8"), np.ndarray,
    ],
    ids=str,
)  # fmt: skip
def test_refuses_rows_that_are_not_lists_of_ranks(tmp_path: Path, row: Any) -> None:
    path = write_npz(tmp_path / "a.npz", x_train=objects([[1, 2], row, [3]]), y_train=np.array([0, 1, 0]))
    with pytest.raises(UserError, match=r"a\.npz is not Keras's imdb\.npz \(.+\): get another copy$"):
        imdb.read_reviews(path, WORDS)


def state(*content: object) -> bytes:
    """The pickle of an array with another state."""

    class Array:
        def __reduce__(self) -> tuple[Any, ...]:
            return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), content  # type: ignore[attr-defined]

    return pickle.dumps(Array())


X, Y = ARRAYS["x_train"], ARRAYS["y_train"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"x_test": None}, id="missing-reviews"),
        pytest.param({"y_train": None}, id="missing-labels"),
        pytest.param({"x_train": X[:-1]}, id="fewer-reviews"),
        pytest.param({"y_train": Y[:-1]}, id="fewer-labels"),
        pytest.param({"y_train": Y[:, None]}, id="labels-in-columns"),
        pytest.param({"x_train": X.reshape(2, -1)}, id="reviews-in-columns"),
        pytest.param({"y_train": Y + 1}, id="label-2"),
        pytest.param({"y_train": Y - 0.5}, id="labels-no-numbers-of-classes"),
        pytest.param({"y_train": Y.astype(str)}, id="labels-text"),
        pytest.param({"y_train": objects(Y.tolist())}, id="labels-pickled"),
        pytest.param({"x_train": Y}, id="reviews-not-pickled"),
        pytest.param({"x_train": X[:0], "y_train": Y[:0]}, id="no-reviews"),
        pytest.param({"x_train": objects([[], []]), "y_train": Y[:2]}, id="no-tokens"),
        pytest.param({"x_train": b""}, id="empty-member"),
        pytest.param({"x_train": b"nothing of NumPy's"}, id="not-npy"),
        pytest.param({"x_train": npy(X)[:200]}, id="pickle-cut"),
        pytest.param({"y_train": npy(Y)[:200]}, id="labels-cut"),
        pytest.param({"x_train": npy(X, b"")}, id="no-pickle"),
        pytest.param({"x_train": npy(X, b"\x80\x04garbage")}, id="pickle-garbage"),
        pytest.param({"x_train": npy(X, b"\x80\x02U\x01xQ.")}, id="persistent-id"),
        pytest.param({"x_train": npy(X, b"\x80\x02\x82\x01.")}, id="extension"),
        pytest.param({"x_train": npy(X, b"\x80\x04cnumpy\nndarray\n}b.")}, id="state-of-a-class"),
        pytest.param({"x_train": npy(X, pickle.dumps(X.tolist()))}, id="a-list-alone"),
        pytest.param({"x_train": npy(X, pickle.dumps(np.dtype(object)))}, id="a-dtype-alone"),
        pytest.param({"x_train": npy(X, pickle.dumps(X[:-1]))}, id="header-says-more"),
        pytest.param({"x_train": npy(X, pickle.dumps(np.arange(40)))}, id="not-of-objects"),
        pytest.param({"x_train": npy(X, state(1, (40,), None, False, X.tolist()[:-1]))}, id="state-fewer-items"),
        pytest.param({"x_train": npy(X, state(1, (41,), None, False, X.tolist()))}, id="state-other-shape"),
        pytest.param({"x_train": npy(X, state(1, (40,), None, False, b"bytes"))}, id="state-bytes"),
        pytest.param({"x_train": npy(X, state())}, id="state-empty"),
    ],
)
def test_refuses_damage(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"(?s)a\.npz is not Keras's imdb\.npz \(.+\): get another copy$"):
        imdb.read_reviews(write_npz(tmp_path / "a.npz", **changed), WORDS)


def test_refuses_a_damaged_zip(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", **ARRAYS)  # type: ignore[arg-type]
    content = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "a.npz"
    cut = content[: len(content) // 2], content[1000:], content[:300] + bytes(50) + content[350:]
    for damaged in (*cut, b"", b"PK\x03\x04", b"not a zip", pickle.dumps(ARRAYS)):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.npz is not Keras's imdb\.npz \(.+\): "):
            imdb.read_reviews(path, WORDS)


# Looking for the files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both files and their checksums, and no network."""
    write_npz(tmp_path / imdb.REVIEWS)
    (tmp_path / imdb.WORD_INDEX).write_text(json.dumps(INDEX), encoding="utf-8")
    monkeypatch.setattr(imdb, "FILES", {name: f"sha256:{sha256(tmp_path / name)}" for name in imdb.FILES})
    monkeypatch.setattr(imdb, "ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setattr(fetch, "RETRIES", 0)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("IMDB_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_words_and_counts_agree_with_the_files(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMDB_MIRROR", str(files))
    corpus = imdb.load()
    assert corpus.words.to_pylist() == [f"word{rank}é" for rank in range(1, WORDS + 1)]
    counts = Counter(rank for ranks in ARRAYS["x_train"] for rank in ranks)
    assert corpus.counts.tolist() == [counts[rank] for rank in range(1, WORDS + 1)]
    assert [sum(map(len, corpus.reviews(split))) for split in SPLITS] == [40, 30]


@pytest.mark.parametrize("variable", ["KERAS_HOME", "HOME"])
def test_each_file_may_be_in_the_cache_of_keras(files: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv(variable, str(files))
    datasets = files / ("datasets" if variable == "KERAS_HOME" else ".keras/datasets")
    datasets.mkdir(parents=True)
    (files / imdb.REVIEWS).rename(datasets / imdb.REVIEWS)
    with pytest.raises(fetch.Unavailable) as caught:
        imdb.load()
    assert imdb.REVIEWS not in str(caught.value)
    monkeypatch.setenv("IMDB_MIRROR", str(files))
    assert imdb.load().source == "imdb"


def test_the_output_does_not_depend_on_the_mirror(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "packed"
    packed.mkdir()
    np.savez_compressed(packed / imdb.REVIEWS, **ARRAYS)  # type: ignore[arg-type]
    shutil.copy(files / imdb.WORD_INDEX, packed)
    written = []
    for mirror in (str(files), f"{packed}#sha256={sha256(packed / imdb.REVIEWS)}"):
        monkeypatch.setenv("IMDB_MIRROR", mirror)
        stage.write(imdb.load())
        written.append({str(path): path.read_bytes() for path in RAW.rglob("*.*")})
    assert len(written[0]) == 4
    assert written[0] == written[1]
