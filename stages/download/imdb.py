"""Source `imdb`: the reviews and the word index that Keras publishes.

Keras's `imdb.npz` holds four pickled object arrays, 25,000 + 25,000 lists of frequency ranks with their labels;
`imdb_word_index.json` maps 88,584 words to their ranks. Both are looked for in `$IMDB_MIRROR`, in Keras's own cache,
and at Keras's address, in this order.
"""

import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stages.artifacts import Reviews
from stages.console import UserError
from stages.download import fetch
from stages.download.corpus import Corpus

ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
REVIEWS = fetch.Expected("imdb.npz", "sha256", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
WORD_INDEX = fetch.Expected("imdb_word_index.json", "md5", "bfafd718b763782e994055a2d397834f")


def load() -> Corpus:
    """Get the IMDB corpus in Keras's row order.

    Raises:
        fetch.Unavailable: none of the places has the files.
        UserError: a file is not the one it should be.
    """
    reviews, word_index = _find()
    words = read_words(word_index)
    arrays = read_arrays(reviews)
    generator = np.random.RandomState(113)  # keras.datasets.imdb.load_data's: train first, then test
    splits = {
        split: _reviews(arrays[f"x_{split}"], arrays[f"y_{split}"], generator, reviews, len(words))
        for split in ("train", "test")
    }
    counts = np.bincount(splits["train"].tokens, minlength=len(words) + 1)[1:]
    return Corpus("imdb", words, counts, {split: [rows] for split, rows in splits.items()})


def _find() -> tuple[Path, Path]:
    """The paths of the reviews and the word index, from the first place that has both."""
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    places = [(str(keras), REVIEWS), (ADDRESS, REVIEWS)]
    mirror, mark, digest = os.environ.get("IMDB_MIRROR", "").partition("#sha256=")
    if mark and not re.fullmatch("[0-9a-f]{64}", digest):
        raise UserError(f"IMDB_MIRROR names the checksum {digest!r}; expected 64 hexadecimal digits")
    if mirror:
        places.insert(0, (mirror, fetch.Expected(REVIEWS.name, REVIEWS.algorithm, digest or REVIEWS.digest)))
    tried = []
    for place, reviews in places:
        try:
            return fetch.get(place, reviews), fetch.get(place, WORD_INDEX)
        except fetch.Mismatch as error:
            if place == mirror:  # named by the user: not to be passed over in silence
                hint = "For a copy that you trust, name its checksum: IMDB_MIRROR=PLACE#sha256=..."
                raise UserError(f"{error}.\n{hint}") from None
            tried.append(str(error))
        except fetch.Unavailable as error:
            tried.append(str(error))
    raise fetch.Unavailable(
        f"the source imdb cannot be had: {'; '.join(tried)}.\n"
        f"Set IMDB_MIRROR to a folder or address that holds {REVIEWS.name} and {WORD_INDEX.name}, or connect."
    )


def read_words(path: Path) -> list[str]:
    """Read a word index: a JSON object from words to ranks 1, 2, ... without gaps. Word r - 1 has rank r."""
    index: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    words = sorted(index, key=index.__getitem__)
    if [index[word] for word in words] != list(range(1, len(words) + 1)):
        raise UserError(f"{path} does not number its words 1 to {len(words)}; get it anew")
    return words


def _reviews(
    lists: NDArray[Any], labels: NDArray[Any], generator: np.random.RandomState, path: Path, words: int
) -> Reviews:
    """Shuffle one split's rows as Keras does, and lay its lists of ranks end to end."""
    order = np.arange(len(lists))
    generator.shuffle(order)
    lists, labels = lists[order], labels[order]
    offsets = np.zeros(len(lists) + 1, np.int32)
    try:
        np.cumsum([len(tokens) for tokens in lists], out=offsets[1:])
        tokens = np.fromiter(chain.from_iterable(lists), np.int32, count=int(offsets[-1]))
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path} holds something other than lists of ranks ({error})") from None
    if labels.shape != lists.shape or not np.isin(labels, (0, 1)).all() or not tokens.size:
        raise UserError(f"{path} holds {len(lists)} reviews and {labels.shape} labels; expected as many, each 0 or 1")
    if tokens.min() < 1 or tokens.max() > words:
        raise UserError(f"{path} holds ranks {tokens.min()} to {tokens.max()}; expected 1 to {words}")
    return Reviews(tokens, offsets, labels.astype(np.uint8))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz whose object arrays are pickled, running nothing that the pickles ask for.

    Raises:
        UserError: the file is not such an npz, or a pickle asks for more than NumPy's arrays.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as members:
            for name in members.namelist():
                with members.open(name) as file:
                    arrays[name.removesuffix(".npy")] = _read_array(file)
        return {key: arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} is not to be trusted: {error}. Remove it and get it anew") from None
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{path} is not Keras's imdb.npz ({error}); get it anew") from None


def _read_array(file: Any) -> NDArray[Any]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"npy format {version}")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    values = _ArrayUnpickler(file).load() if dtype.hasobject else np.frombuffer(file.read(), dtype)
    if not isinstance(values, np.ndarray) or values.shape != shape or len(shape) != 1:
        raise ValueError(f"an array of shape {shape} does not hold what it says")
    return values


def _latin1(text: str, encoding: str) -> bytes:
    """What protocol 2 pickles bytes as: a call of codecs.encode, here with the one encoding that it uses."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"its pickle asks for the encoding {encoding!r}")
    return text.encode("latin1")


_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows NumPy's array reconstruction and nothing else."""

    ALLOWED: ClassVar[dict[tuple[str, str], Callable[..., Any]]] = {
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a name in a pickle, if it is one of those allowed."""
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"its pickle asks for {module}.{name}") from None
