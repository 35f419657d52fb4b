"""Source `files`: your own reviews, in CSV, JSON Lines or Parquet.

They are read once, a few rows at a time: memory holds the different words and some 40 bytes a review, so that files
larger than memory will do. A million reviews of 240 words, 1.5 GB with 1.6 million different words, take four minutes
of a core with the tokenizer `keras`, nine with `unicode`, 0.7 GB of memory, and 1 GB in the folder for temporary files.
"""

from array import array
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages import tables
from stages.console import UserError, say
from stages.download import fetch
from stages.download.corpus import Corpus
from stages.download.encoder import Encoder
from stages.encoding.tokenizers import Tokenizer
from stages.params import Files

_LABELS = {"0": 0, "neg": 0, "negative": 0, "false": 0, "1": 1, "pos": 1, "positive": 1, "true": 1}
_CLASSES = ("negative", "positive")


def load(settings: Files, tokenizer: Tokenizer) -> Corpus:
    """Read the reviews, and hold some out for testing where there is no file of them.

    The training rows are shuffled, since files are often sorted by label and the first rows are held out for
    validation; the test rows stay in the order of the file, so that predictions can be laid beside it.

    Raises:
        fetch.Unavailable: a file is not there.
        UserError: a file cannot be used as it is; says why, and what to do.
    """
    encoder = Encoder(tokenizer)
    texts = array("q")  # hashes
    rows = [_read(path, settings, encoder, texts) for path in (settings.train, settings.test) if path is not None]
    generator = np.random.RandomState(settings.seed)  # whose numbers are the same in every version of NumPy
    if settings.test is None:
        train, test = _split(settings, encoder.labels, generator)
    else:
        train, test = generator.permutation(rows[0]), np.arange(rows[0], sum(rows))
    hashes = np.array(texts)
    if shared := int(np.isin(hashes[test], hashes[train]).sum()):
        say(f"warning: {shared:,} of {len(test):,} test reviews have a training review's text: results will flatter")
    return encoder.corpus("files", train, test)


def _read(name: str, settings: Files, encoder: Encoder, texts: "array[int]") -> int:
    """Pass the rows of a file on, and return how many there were."""
    path = Path(settings.folder).expanduser() / name
    if not path.is_file():
        raise fetch.Unavailable(f"{path} is not a file: put one there, or correct data.files in params.yaml")
    before = len(texts)
    for row in tqdm(tables.rows(path, settings.text, settings.label), path.name, unit=" reviews", disable=None):
        encoder.add(row.text, meaning(row, settings.positive))
        texts.append(hash(row.text))
    counts = np.bincount(encoder.labels[before:], minlength=2)
    if not counts.all():
        raise UserError(
            f"{path} has no {_CLASSES[counts.argmin()]} review among {counts.sum():,}; expected both classes.\n"
            "Is data.files.positive in params.yaml the value that counts as positive?"
        )
    return len(texts) - before


def meaning(row: tables.Row, positive: str | float | None) -> int:
    """What a row's label stands for: 1 = positive, 0 = negative.

    Args:
        row: its label may be a string, in any case and with space around it, a number or a boolean.
        positive: the value that stands for positive, any other then being negative. None: 0 and 1, neg and pos,
            negative and positive, false and true are understood.

    Raises:
        UserError: there is no label, or it is not understood.
    """
    spelled = _spelled(row.label) if isinstance(row.label, str | int | float) else None
    place = f"{row.where}, column {row.column!r}"
    if row.label is None or spelled in ("", "nan"):
        raise UserError(f"{place} is empty; expected a label: fill it in, or remove the row")
    if positive is not None and spelled is not None:
        return int(spelled == _spelled(positive))
    if spelled not in _LABELS:
        shown = f"a {type(row.label).__name__}" if spelled is None else repr(row.label)[:60]
        raise UserError(
            f"{place} is {shown}; expected one of {', '.join(_LABELS)}.\n"
            "Or set data.files.positive in params.yaml to the value that counts as positive: any other is negative then"
        )
    return _LABELS[spelled]


def _spelled(value: str | float) -> str:
    """A label as text, the same for 1, 1.0, '1' and ' 1.0': which of them it is, is up to the program that wrote it."""
    return str(value).strip().casefold().removesuffix(".0")


def _split(
    settings: Files, labels: NDArray[np.uint8], generator: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows in two at random, with the same share of each class (stratified).

    Returns:
        The training rows, shuffled, and the test rows, in order.
    """
    order = generator.permutation(len(labels))
    testing = np.zeros(len(labels), bool)
    for value, name in enumerate(_CLASSES):
        members = order[labels[order] == value]
        held_out = round(len(members) * settings.test_share)
        if not 0 < held_out < len(members):
            raise UserError(
                f"{settings.train} has {len(members):,} {name} reviews, too few to split: test_share = "
                f"{settings.test_share} holds out {held_out:,}, expected at least 1, and 1 left to train on.\n"
                "Add reviews, or change data.files.test_share in params.yaml"
            )
        testing[members[:held_out]] = True
    return order[~testing[order]], np.flatnonzero(testing)
