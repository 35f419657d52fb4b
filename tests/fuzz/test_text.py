"""The tokenizers and the encoder on any text, against their definitions and a Counter."""

import re
import unicodedata
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.download import encoder
from stages.encoding import tokenizers as text
from tests.download.test_encoder import decoded
from tests.encoding.test_tokenizers import SOME, slow_unicode

CUT = str.maketrans(
    '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\nABCDEFGHIJKLMNOPQRSTUVWXYZ', " " * 33 + " abcdefghijklmnopqrstuvwxyz"[1:]
)
ANY = st.text() | st.text(SOME)
MARKS = "\u0301\u0316\u0345\u0344\u0f71\u0f73\u0f81\u093f\u05b0\u302a\u1e09\u0360\u3099\U00011357"
RUNS = st.lists(st.tuples(st.sampled_from(MARKS) | st.characters(categories=["Mn", "Mc", "Me"]), st.integers(1, 40)))


@given(ANY)
def test_keras(sample: str) -> None:
    assert text.keras(sample) == [word for word in sample.translate(CUT).split(" ") if word]


@given(ANY)
def test_unicode(sample: str) -> None:
    assert text.unicode(sample) == slow_unicode(sample)


@given(st.lists(RUNS.map(lambda runs: "".join(mark * count for mark, count in runs)) | ANY, max_size=6).map("".join))
def test_unicode_with_many_marks(sample: str) -> None:
    """The same words, and before that the same text in its normal form."""
    ordered = text._MANY_MARKS.sub(text._in_order, sample)
    assert unicodedata.normalize("NFD", ordered) == unicodedata.normalize("NFD", sample)
    assert text.unicode(sample) == slow_unicode(sample)


@given(st.lists(st.characters(), min_size=1, max_size=3).map("".join), st.sampled_from(["", " ", "a", "\u0301", "'"]))
def test_a_long_text_of_anything_takes_no_longer(piece: str, between: str) -> None:
    """A hundred thousand characters each: what took n * n steps would not come to an end in the time there is."""
    sample = (piece + between) * (100_000 // len(piece + between))
    for cut in text.TOKENIZERS.values():
        words = cut(sample)
        assert len(words) <= len(sample)
    spaced = [word for word in re.split(" +", sample.translate(CUT)) if word]
    assert text.keras(sample) == spaced


WORDS = st.sampled_from(["a", "b", "B", "é", "it's", "x" * 50]) | st.text(min_size=1, max_size=5)
REVIEWS = st.lists(st.tuples(st.lists(WORDS, max_size=12).map(" ".join), st.integers(0, 1)), min_size=1, max_size=12)


@given(REVIEWS, st.data(), st.sampled_from(["keras", "unicode"]), st.sampled_from([1, 10, 1 << 22]))
def test_encoder(folder: Path, reviews: list[tuple[str, int]], data: st.DataObject, name: str, tokens: int) -> None:
    cut = text.TOKENIZERS[name]
    coder = encoder.Encoder(cut)
    for review, _ in reviews:
        coder.add(review)
    labels = np.array([label for _, label in reviews], np.uint8)
    order = data.draw(st.permutations(range(len(reviews))))
    held_out = data.draw(st.integers(0, len(reviews)))
    train, test = order[held_out:], order[:held_out]
    with mock.patch.object(encoder, "_TOKENS", tokens):
        corpus = coder.corpus("name", labels, np.array(train, np.int64), np.array(test, np.int64))
        counts = Counter(word for row in train for word in cut(reviews[row][0]))
        assert list(zip(corpus.words, corpus.counts.tolist(), strict=True)) == sorted(
            counts.items(), key=lambda item: (-item[1], item[0])
        )
        for split, rows in (("train", train), ("test", test)):
            known = [([word for word in cut(reviews[row][0]) if word in counts], reviews[row][1]) for row in rows]
            assert decoded(corpus, split) == known
