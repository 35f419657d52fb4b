"""The tokenizers and the encoder on any text, against their definitions and a Counter."""

from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.download import encoder
from stages.encoding import TokenizerName
from stages.encoding import tokenizers as text
from tests.download.test_encoder import Texts, decoded, made
from tests.encoding.test_tokenizers import HTML, SOME, slow_unicode

CUT = str.maketrans(
    '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\nABCDEFGHIJKLMNOPQRSTUVWXYZ', " " * 33 + " abcdefghijklmnopqrstuvwxyz"[1:]
)
ANY = st.text() | st.text(SOME) | st.lists(st.sampled_from(HTML)).map("".join)


@given(ANY)
def test_keras(sample: str) -> None:
    assert text.keras(sample) == [word for word in sample.translate(CUT).split(" ") if word]


@given(ANY)
def test_unicode(sample: str) -> None:
    assert text.unicode(sample) == slow_unicode(sample)


WORDS = st.sampled_from(["a", "b", "B", "é", "it's", "x" * 50]) | st.text(min_size=1, max_size=5)
REVIEWS = st.lists(st.tuples(st.lists(WORDS, max_size=12).map(" ".join), st.integers(0, 1)), min_size=1, max_size=12)


@given(REVIEWS, st.data(), st.sampled_from(["keras", "unicode"]), st.sampled_from([1, 10, 1 << 22]))
def test_encoder(
    folder: Path, reviews: list[tuple[str, int]], data: st.DataObject, name: TokenizerName, tokens: int
) -> None:
    cut = text.TOKENIZERS[name]
    units = [Texts([review for review, _ in reviews[start : start + 5]]) for start in range(0, len(reviews), 5)]
    labels = np.array([label for _, label in reviews], np.uint8)
    order = data.draw(st.permutations(range(len(reviews))))
    held_out = data.draw(st.integers(0, len(reviews)))
    train, test = order[held_out:], order[:held_out]
    with mock.patch.object(encoder, "_TOKENS", tokens):
        corpus = made(units, name, labels, train, test)
        counts = Counter(word for row in train for word in cut(reviews[row][0]))
        assert list(zip(corpus.words.to_pylist(), corpus.counts.tolist(), strict=True)) == sorted(
            counts.items(), key=lambda item: (-item[1], item[0])
        )
        for split, rows in (("train", train), ("test", test)):
            known = [([word for word in cut(reviews[row][0]) if word in counts], reviews[row][1]) for row in rows]
            assert decoded(corpus, split) == known
