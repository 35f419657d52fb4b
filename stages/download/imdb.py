"""Source `imdb`: the reviews and the word index that Keras publishes.

Keras's `imdb.npz` holds four arrays: 25,000 + 25,000 reviews as lists of frequency ranks, pickled, and their labels.
`imdb_word_index.json` maps 88,584 words to their ranks. Each file is looked for in `$IMDB_MIRROR`, in Keras's own
cache, and at Keras's address, in this order.
"""

import gc
import json
import os
import pickle
import zipfile
from array import array
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from stages.console import UserError, one_line
from stages.contracts.reviews import SPLITS, Reviews
from stages.download import fetch
from stages.download.corpus import Corpus
from stages.storage import BAD_ZIP, DAMAGE, checked_zip

ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
REVIEWS, WORD_INDEX = "imdb.npz", "imdb_word_index.json"
FILES = {
    REVIEWS: "sha256:69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    WORD_INDEX: "md5:bfafd718b763782e994055a2d397834f",
}
"""Each file's checksum."""

_BAD_PICKLE = (
    pickle.UnpicklingError, AttributeError, EOFError, IndexError, KeyError, MemoryError, OverflowError, TypeError,
    ValueError,
)  # fmt: skip
"""What pickle raises for bytes that are no pickle, or not one of the expected objects."""


def load() -> Corpus:
    """Get the IMDB corpus in Keras's row order.

    Raises:
        fetch.Unavailable: One of the files is in none of the places.
        UserError: A file is not the expected one.
    """
    reviews, word_index = fetch.find("imdb", FILES, places())
    ranks: dict[str, int] = json.loads(word_index.read_text(encoding="utf-8"))
    words = sorted(ranks, key=ranks.__getitem__)
    splits = read_reviews(reviews, len(words))
    counts = np.bincount(splits["train"].tokens, minlength=len(words) + 1)[1:]
    return Corpus("imdb", pa.array(words), counts, {split: [partial(iter, [rows])] for split, rows in splits.items()})


def places() -> list[str]:
    """Return where Keras's files usually are: in Keras's own cache folder, and at Keras's address."""
    return [os.path.join(os.environ.get("KERAS_HOME") or "~/.keras", "datasets"), ADDRESS]  # noqa: PTH118


def read_reviews(path: Path, words: int) -> dict[str, Reviews]:
    """Read both splits of Keras's npz in the row order of `keras.datasets.imdb.load_data`.

    The reviews are pickled, but nothing that the pickle asks for is called.

    Args:
        path: The npz file.
        words: The number of words, which is the highest rank allowed.

    Raises:
        UserError: The file is damaged, does not hold such reviews, or its pickle asks for something else.
    """
    generator = np.random.RandomState(113)  # Keras's: one generator for both splits, train first
    gc.disable()  # it would walk the 50,000 lists again and again, a third of the whole time, and find nothing
    try:
        with checked_zip(path) as members:
            return {split: _read_split(members, split, generator, words) for split in SPLITS}
    except (*DAMAGE, *BAD_ZIP) as error:
        raise UserError(f"{path} is not Keras's imdb.npz ({one_line(error)}): get another copy") from None
    finally:
        gc.enable()


def _read_split(members: zipfile.ZipFile, split: str, generator: np.random.RandomState, words: int) -> Reviews:
    """Read one split and shuffle its rows as Keras does."""
    with members.open(f"x_{split}.npy") as file:
        lists = _read_lists(file)
    with members.open(f"y_{split}.npy") as file:
        labels = np.lib.format.read_array(file, allow_pickle=False)
    if labels.shape != (len(lists),) or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{split}: {len(lists)} reviews, labels of shape {labels.shape}; expected as many, 0 or 1")
    order = np.arange(len(lists))
    generator.shuffle(order)
    lists = [lists[row] for row in order]
    flat = array("I")  # extended in a third of the time that NumPy or array("i") takes
    try:
        for ranks in lists:
            flat.fromlist(ranks)
    except (TypeError, OverflowError):
        raise ValueError(f"{split}: the reviews are not lists of ranks") from None
    tokens = np.frombuffer(flat, np.uint32)
    if tokens.min() < 1 or tokens.max() > words:
        raise ValueError(f"{split}: ranks {tokens.min()} to {tokens.max()}; expected 1 to {words}")
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    return Reviews(tokens.view(np.int32), offsets, labels[order].astype(np.uint8))


def _read_lists(file: IO[bytes]) -> list[Any]:
    """Return the items of an npy file that holds a one-dimensional array of objects."""
    np.lib.format.read_magic(file)
    shape, _, _ = np.lib.format.read_array_header_1_0(file)
    try:
        pickled = _ArrayUnpickler(file).load()
    except _BAD_PICKLE as error:
        raise ValueError(one_line(error)) from None
    match pickled:
        case _Kept(state=(_, tuple(size), _, _, list(items))) if shape == size == (len(items),):
            return items
    raise ValueError(f"{file.name} is not an array of objects")


class _Kept:
    """Stands for any object in the pickle of an array: it only keeps its state."""

    state: object = None

    def __init__(self, *_arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that builds lists and numbers, and a `_Kept` for each array.

    The pickle of an array of objects calls NumPy's `_reconstruct` and sets a state: version, shape, dtype, order and
    the list of its items. NumPy itself is not needed to read that.
    """

    NAMES = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),  # NumPy 1
            ("numpy._core.multiarray", "_reconstruct"),  # NumPy 2
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),  # how protocol 2 writes bytes
        }
    )

    def find_class(self, module: str, name: str) -> type[_Kept]:
        """Return `_Kept` for the names in the pickle of an array; refuse any other name."""
        if (module, name) not in self.NAMES:
            raise pickle.UnpicklingError(f"its pickle asks for {module}.{name}")
        return _Kept
