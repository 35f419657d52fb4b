"""Source `imdb`: the reviews and the word index that Keras publishes.

Keras's `imdb.npz` holds four arrays: 25,000 + 25,000 lists of frequency ranks, pickled, and their labels.
`imdb_word_index.json` maps 88,584 words to their ranks. Both are looked for in `$IMDB_MIRROR`, in Keras's own cache,
and at Keras's address, in this order.
"""

import gc
import json
import os
import pickle
import resource
import zipfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from stages.console import UserError, one_line
from stages.contracts.reviews import SPLITS, Reviews
from stages.download import fetch, mirror
from stages.download.corpus import Corpus

ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
REVIEWS = fetch.Expected("imdb.npz", "sha256", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
WORD_INDEX = fetch.Expected("imdb_word_index.json", "md5", "bfafd718b763782e994055a2d397834f")

_FACTOR, _AT_LEAST = 32, 64 << 20
"""Bytes of memory for a byte of the npz, and for the rest; Keras's takes a quarter of that."""


def load() -> Corpus:
    """Get the IMDB corpus in Keras's row order.

    Raises:
        fetch.Unavailable: none of the places has the files.
        UserError: a file is not the one it should be.
    """
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    reviews, word_index = mirror.find("imdb", [str(keras), ADDRESS], [REVIEWS, WORD_INDEX])
    ranks: dict[str, int] = json.loads(word_index.read_text(encoding="utf-8"))
    words = sorted(ranks, key=ranks.__getitem__)
    splits = read_reviews(reviews, len(words))
    counts = np.bincount(splits["train"].tokens, minlength=len(words) + 1)[1:]
    return Corpus("imdb", words, counts, {split: [rows] for split, rows in splits.items()})


def read_reviews(path: Path, words: int) -> dict[str, Reviews]:
    """Read both splits of Keras's npz in the order that `keras.datasets.imdb.load_data` gives them.

    Nothing that a pickle in it asks for is run.

    Args:
        path: a file whose checksum is as expected.
        words: how many words there are, which is the highest rank allowed.

    Raises:
        UserError: the file does not hold such reviews, or its pickle asks for something else.
    """
    generator = np.random.RandomState(113)  # Keras's: one for both splits, train first
    gc.disable()  # it would go through 50,000 lists again and again, for a third of the whole time, and find nothing
    try:
        with _memory(_FACTOR * path.stat().st_size + _AT_LEAST), zipfile.ZipFile(path) as members:
            return {split: _read_split(members, split, generator, words) for split in SPLITS}
    except Exception as error:  # damage shows as almost anything: zipfile, zlib and pickle raise what they like
        raise UserError(f"{path} is not Keras's imdb.npz ({one_line(error)}): get another copy") from None
    finally:
        gc.enable()


@contextmanager
def _memory(most: int) -> Iterator[None]:
    """Let the process have so many bytes more and then a MemoryError: a pickle of a few bytes may ask for all there is.

    Only Linux tells how much there is already, and keeps to such a limit.
    """
    used = Path("/proc/self/statm")
    if not used.exists():
        yield
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    most += int(used.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (min((most, *(limit for limit in limits if limit >= 0))), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _read_split(members: zipfile.ZipFile, split: str, generator: np.random.RandomState, words: int) -> Reviews:
    """Read one split, shuffle its rows, and lay its lists of ranks end to end."""
    with members.open(f"x_{split}.npy") as file:
        lists = _read_lists(file)
    with members.open(f"y_{split}.npy") as file:
        labels = np.lib.format.read_array(file, allow_pickle=False)
    if labels.shape != (len(lists),) or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{split}: {len(lists)} reviews, labels of shape {labels.shape}; expected as many, 0 or 1")
    order = np.arange(len(lists))
    generator.shuffle(order)
    lists = [lists[row] for row in order]
    kinds: set[type] = set()
    flat = array("I")  # a third of NumPy's time, a third of array("i")'s; takes no float for a whole number
    for ranks in lists:
        flat.fromlist(ranks)
        kinds.update(map(type, ranks))  # for True, which is 1 to array
    if kinds != {int}:
        raise ValueError(f"{split}: the reviews are not lists of ranks")
    tokens = np.frombuffer(flat, np.uint32)
    if tokens.min() < 1 or tokens.max() > words:
        raise ValueError(f"{split}: ranks {tokens.min()} to {tokens.max()}; expected 1 to {words}")
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    return Reviews(tokens.view(np.int32), offsets, labels[order].astype(np.uint8))


def _read_lists(file: IO[bytes]) -> list[Any]:
    """The items of an npy file with a one-dimensional array of objects."""
    np.lib.format.read_magic(file)
    shape, _, _ = np.lib.format.read_array_header_1_0(file)
    match _ArrayUnpickler(file).load():
        case _Kept(state=(_, tuple(size), _, _, list(items))) if shape == size == (len(items),):
            return items
    raise ValueError(f"{file.name} is not an array of objects")


class _Kept:
    """Stands in for whatever the pickle of an array calls, and does nothing but keep the state it is given."""

    state: object = None

    def __init__(self, *_arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that makes lists and numbers, and takes note of the arrays around them.

    What is pickled of an array of objects is a call of NumPy's `_reconstruct` and a state: version, shape, dtype, order
    and the list of its items. None of it needs NumPy to be called.
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
        """Resolve a name in a pickle, if it is one of those known."""
        if (module, name) not in self.NAMES:
            raise pickle.UnpicklingError(f"its pickle asks for {module}.{name}")
        return _Kept
