"""Ranks, counts and tokens against a Counter."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stages.console import UserError
from stages.contracts.reviews import Reviews
from stages.download import encoder
from stages.download.corpus import Corpus
from stages.download.encoder import Encoder


def decoded(corpus: Corpus, split: str) -> list[tuple[list[str], int]]:
    """The reviews of a split as words and label."""
    return [
        ([corpus.words[token - 1] for token in batch.tokens[a:b]], int(label))
        for batch in corpus.splits[split]
        for a, b, label in zip(batch.offsets[:-1], batch.offsets[1:], batch.labels, strict=True)
    ]


@pytest.mark.parametrize("tokens_a_batch", [1, 100, 1 << 22])
def test_tokens_are_frequency_ranks(monkeypatch: pytest.MonkeyPatch, tokens_a_batch: int) -> None:
    monkeypatch.setattr(encoder, "_TOKENS", tokens_a_batch)
    generator = np.random.default_rng(3)
    reviews = [[f"w{int(500 * u**2)}" for u in generator.random(generator.integers(0, 30))] for _ in range(300)]
    labels = generator.integers(0, 2, 300).tolist()
    order = generator.permutation(300)
    train, test = order[:50], order[50:280]
    coder = Encoder(str.split)
    assert [coder.add(" ".join(words)) for words in reviews] == reviews
    corpus = coder.corpus("name", np.array(labels, np.uint8), train, test)

    counts = Counter(word for row in train for word in reviews[row])
    expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    assert list(zip(corpus.words, corpus.counts.tolist(), strict=True)) == expected
    assert decoded(corpus, "train") == [(reviews[row], labels[row]) for row in train]
    known = [([word for word in reviews[row] if word in counts], labels[row]) for row in test]
    assert decoded(corpus, "test") == known
    assert known != [(reviews[row], labels[row]) for row in test]  # or nothing was dropped


def test_batches_are_bounded_and_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "_TOKENS", 100)
    coder = Encoder(str.split)
    for row in range(500):
        coder.add("a b c" * (row % 3))
    batches: list[Reviews] = list(
        coder.corpus("name", np.ones(500, np.uint8), np.arange(500), np.arange(0)).splits["train"]
    )
    assert max(len(batch.tokens) + len(batch) for batch in batches) <= 107
    assert (
        {str(batch.tokens.dtype) for batch in batches} == {str(batch.offsets.dtype) for batch in batches} == {"int32"}
    )
    assert {str(batch.labels.dtype) for batch in batches} == {"uint8"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", [3, 10**5])
def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, words: int) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Path("/dev/full").open("w+b"))  # noqa: SIM115
    coder = Encoder(str.split)

    def use() -> None:
        coder.add("word " * words)
        coder.corpus("name", np.ones(1, np.uint8), np.arange(1), np.arange(0))

    with pytest.raises(UserError, match=r"No space left on device.*: set TMPDIR"):
        use()
