"""The tokenizers of `stages.encoding.tokenizers` as TensorFlow operations, for a model that takes text.

Each tokenizer returns the same words as the one with the same name there. The operations use tables that are made from
Python's Unicode data, because TensorFlow has another version of Unicode, and no normal forms.
"""

import html
import sys
import unicodedata
from collections.abc import Callable
from string import hexdigits
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
import tensorflow as tf

from stages.encoding.tokenizers import HIDDEN, NAMES, REFERENCE, SEPARATORS, TAG, unspaced

_CODES = sys.maxunicode + 1
_PAGE = 128
"""Code points in a page of a table. Most pages are equal to another one, and equal pages are stored once."""
_SEPARATOR, _LETTER, _MARK, _JOINER = range(4)
"""The kinds of characters."""
_ITSELF, _NONE = 0, -1
"""In a table of replacements: the character that is replaced, and no character."""


class Tokenizer(NamedTuple):
    """A tokenizer as TensorFlow operations."""

    cut: Callable[[tf.Tensor], tf.Tensor]
    """From (texts,) strings to (texts,) strings with one or more spaces between words, and maybe at both ends."""
    spell: Callable[[str], str]
    """Returns a word of the vocabulary as `cut` writes it."""


def keras(text: tf.Tensor) -> tf.Tensor:
    """Split texts as `stages.encoding.tokenizers.keras` does. It changes only ASCII, so this works on bytes."""
    separators = "".join(rf"\x{byte:02x}" for byte in SEPARATORS)
    return tf.strings.regex_replace(tf.strings.lower(text), f"[{separators}]+", " ")


def unicode(text: tf.Tensor) -> tf.Tensor:
    """Split texts as `stages.encoding.tokenizers.unicode` does, but leave the words decomposed (NFD)."""
    text = tf.strings.regex_replace(_without_html(text), unspaced(), r" \1 ")
    # Below, all texts are one sequence of characters. The space separates a text from the one before it.
    decoded = tf.strings.unicode_decode(tf.strings.join([" ", text]), "UTF-8")
    # NFD replaces single characters, then sorts marks. The text is still decomposed after case folding.
    row, code = _spell(decoded.value_rowids(), decoded.values, lambda character: normalize("NFD", character))
    row, code = _spell(row, _sort_marks(code), _folded)
    code = tf.where(_in_words(_look_up(_kind, code)), code, ord(" "))
    rows = tf.size(text, tf.int64)
    return tf.strings.unicode_encode(tf.RaggedTensor.from_value_rowids(code, row, rows, validate=False), "UTF-8")


TOKENIZERS = {
    "keras": Tokenizer(keras, str),
    "unicode": Tokenizer(unicode, lambda word: normalize("NFD", word)),
}
"""The tokenizers by their names in params.yaml."""


def _without_html(text: tf.Tensor) -> tf.Tensor:
    """Return the texts as a browser shows them. U+0000 marks what was left out, and the ends of each reference."""
    text = tf.strings.regex_replace(text, r"\x00", " ")
    text = tf.strings.regex_replace(tf.strings.regex_replace(text, HIDDEN, "\0"), TAG, " ")
    text = tf.strings.regex_replace(text, f"({REFERENCE})", "\0\\1\0")
    pieces = tf.raw_ops.StringSplitV2(input=text, sep="\0")
    where = tf.where(tf.strings.regex_full_match(pieces.values, REFERENCE))
    characters = _referred(tf.gather_nd(pieces.values, where))
    shown = tf.tensor_scatter_nd_update(pieces.values, where, characters)
    return tf.strings.unsorted_segment_join(shown, pieces.indices[:, 0], tf.size(text))


def _referred(reference: tf.Tensor) -> tf.Tensor:
    """Return the character that each reference stands for: (references,) strings."""
    code = tf.gather([ord(html.unescape(name)) for name in NAMES], tf.argmax(reference[:, None] == NAMES, axis=1))
    for base, number in ((10, "&#([0-9]+);"), (16, "&#[xX]([0-9a-fA-F]+);")):
        code = tf.where(tf.strings.regex_full_match(reference, number), _number(reference, number, base), code)
    # Browsers and Python read numbers of C1 control characters as characters of Windows-1252.
    low = [ord(html.unescape(f"&#{number};") or " ") for number in range(160)]
    code = tf.where(code < len(low), tf.gather(low, tf.minimum(code, len(low) - 1)), code)
    return tf.strings.unicode_encode(code[:, None], "UTF-8")  # an invalid number becomes U+FFFD, as in Python


def _number(reference: tf.Tensor, pattern: str, base: int) -> tf.Tensor:
    """Return the number, of at most seven digits, that a pattern finds in each string. Others get any number."""
    padded = tf.strings.join(["0" * 7, tf.strings.regex_replace(reference, pattern, r"\1")])
    characters = tf.io.decode_raw(tf.strings.substr(padded, -7, 7), tf.uint8, fixed_length=7)
    values = [int(chr(byte), 16) if chr(byte) in hexdigits else 0 for byte in range(256)]
    places = [base**place for place in reversed(range(7))]
    return tf.reduce_sum(tf.gather(values, tf.cast(characters, tf.int32)) * places, axis=1)


def _look_up(value: Callable[[str], int], code: tf.Tensor) -> tf.Tensor:
    """Return the value of each character, (characters,) int32, given its code point. A table holds all values."""
    values = list(map(value, map(chr, range(_CODES))))
    table = np.array(values, np.min_scalar_type(max(values))).reshape(-1, _PAGE)
    pages: dict[bytes, int] = {}
    number = [pages.setdefault(page.tobytes(), len(pages)) for page in table]
    page = tf.gather(np.array(number, np.min_scalar_type(len(pages))), code // _PAGE)
    kept = np.frombuffer(b"".join(pages), table.dtype)
    return tf.cast(tf.gather(kept, tf.cast(page, tf.int32) * _PAGE + code % _PAGE), tf.int32)


def _spell(row: tf.Tensor, code: tf.Tensor, spelling: Callable[[str], str]) -> tuple[tf.Tensor, tf.Tensor]:
    """Replace each character by its spelling, which is any number of characters, and keep track of their rows."""
    changed = {character: spelt for character in map(chr, range(_CODES)) if (spelt := spelling(character)) != character}
    spellings = np.full((1 + len(changed), max(map(len, changed.values()))), _NONE, np.int32)
    spellings[0, 0] = _ITSELF
    for place, spelt in enumerate(changed.values(), start=1):
        spellings[place, : len(spelt)] = list(map(ord, spelt))
    number = {character: place for place, character in enumerate(changed, start=1)}
    wide = tf.gather(spellings, _look_up(lambda character: number.get(character, 0), code))
    there = tf.where(wide != _NONE)
    return tf.gather(row, there[:, 0]), tf.gather_nd(tf.where(wide == _ITSELF, code[:, None], wide), there)


def _sort_marks(code: tf.Tensor) -> tf.Tensor:
    """Sort each sequence of marks into Unicode's canonical order. Other characters keep their places."""
    order = tf.cast(_look_up(unicodedata.combining, code), tf.int64)
    marks = tf.where(order > 0)
    key = tf.gather_nd(tf.cumsum(tf.cast(order == 0, tf.int64)) * 256 + order, marks)
    ordered = tf.gather(tf.gather_nd(code, marks), tf.argsort(key, stable=True))
    return tf.tensor_scatter_nd_update(code, marks, ordered)


def _folded(character: str) -> str:
    return "'" if character == "\u2019" else character.casefold()


def _kind(character: str) -> int:
    """Return the kind of a character, for the rules of `stages.encoding.tokenizers.unicode`."""
    if character.isalnum():
        return _LETTER
    if unicodedata.category(character).startswith("M"):
        return _MARK
    return _JOINER if character in "'\u200c\u200d" else _SEPARATOR


def _in_words(kind: tf.Tensor) -> tf.Tensor:
    """Return which characters are part of a word, (characters,) bool. The first one must be a separator."""
    letter = kind == _LETTER
    in_run = _last(letter) > _last((kind == _SEPARATOR) | (kind == _JOINER))
    joins = (kind == _JOINER) & tf.roll(in_run, 1, axis=0) & tf.roll(letter, -1, axis=0)
    return in_run | joins


def _last(which: tf.Tensor) -> tf.Tensor:
    """Return the place of the last true value up to each character, (characters,) int64, or -1 if there is none."""
    places = tf.concat([[tf.constant(-1, tf.int64)], tf.where(which)[:, 0]], axis=0)
    return tf.gather(places, tf.cumsum(tf.cast(which, tf.int32)))
