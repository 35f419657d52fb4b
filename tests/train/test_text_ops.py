"""The TensorFlow tokenizers agree with those of `stages.encoding`, which have their own tests."""

import random
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from stages.encoding import tokenizers as text
from stages.train import text_ops
from tests.encoding.test_tokenizers import HTML, SOME, samples

ALL = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) != "Cs"]
ASSIGNED = [c for c in ALL if unicodedata.category(c) not in ("Cn", "Co")]
MARKS = [c for c in ASSIGNED if unicodedata.combining(c)]


def words(name: str, samples: list[str]) -> list[list[str]]:
    """Split texts with the operations. The words are composed (NFC), as in the vocabulary."""
    cut = text_ops.TOKENIZERS[name].cut(tf.constant(np.array([sample.encode() for sample in samples], object)))
    spaced = [content.decode() for content in cut.numpy()]
    if name == "unicode":
        spaced = [unicodedata.normalize("NFC", content) for content in spaced]
    return [[word for word in content.split(" ") if word] for content in spaced]


@pytest.mark.parametrize("name", ["keras", "unicode"])
def test_each_character_is_treated_as_by_the_tokenizer(name: str) -> None:
    some = [*ASSIGNED, *ALL[::499]]  # unassigned characters are all treated alike
    samples = ["".join(f"a{c}b {c} " for c in some[start : start + 500]) for start in range(0, len(some), 500)]
    assert words(name, samples) == [text.TOKENIZERS[name](sample) for sample in samples]


@pytest.mark.parametrize("name", ["keras", "unicode"])
def test_random_characters_are_split_as_by_the_tokenizer(name: str) -> None:
    """Among them are marks in the wrong order or at the start of a text or word, and single joiners."""
    generator = random.Random(5)
    many = [*"aZ '_-\u2019\u200c\u200d\r\n\xa0\x00", "\u0345"]
    samples = [
        "".join(generator.choice(generator.choice([many, MARKS, ASSIGNED])) for _ in range(generator.randint(0, 40)))
        for _ in range(5000)
    ]
    assert words(name, samples) == [text.TOKENIZERS[name](sample) for sample in samples]


@pytest.mark.parametrize("name", ["keras", "unicode"])
def test_html_is_split_as_by_the_tokenizer(name: str) -> None:
    numbers = [*range(300), 0xD7FF, 0xD800, 0xFDD0, 0xFFFE, 0x10FFFF, 0x110000]
    references = [*text.NAMES, *(f"&#{number};" for number in numbers), *(f"&#X{number:x};" for number in numbers)]
    pages = [*(f"x{reference}y" for reference in references), *samples([*HTML, *SOME], 5000)]
    assert words(name, pages) == [text.TOKENIZERS[name](page) for page in pages]
