"""Ranks, counts and tokens agree with a Counter, and tokens are cached."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from checks import declared
from stages.console import UserError
from stages.contracts.reviews import Reviews
from stages.download import encoder, tokens
from stages.download.corpus import Corpus
from stages.encoding import TokenizerName
from stages.tables.rows import Row
from tests.conftest import ROOT, decoded


@dataclass(frozen=True)
class Texts:
    """A unit of these texts."""

    texts: Sequence[str]

    def content(self) -> Iterator[bytes]:
        return (text.encode() + b"\0" for text in self.texts)

    def meaning(self) -> str:
        return "texts"

    def rows(self) -> Iterator[Row]:
        return (Row("here", text, number=number) for number, text in enumerate(self.texts, 1))


def made(
    units: Sequence[Texts], tokenizer: TokenizerName, labels: object, train: Sequence[int], test: Sequence[int]
) -> Corpus:
    found = [tokens.tokenize(task) for task in tokens.tasks(units, tokenizer)]
    splits = np.array(train, np.int64), np.array(test, np.int64)
    return encoder.corpus("name", found, np.array(labels, np.uint8), splits, 0)


def tokenize(unit: Texts, tokenizer: TokenizerName) -> tokens.Tokens:
    return tokens.tokenize(*tokens.tasks([unit], tokenizer))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "multihot" / "tokens"


@pytest.mark.parametrize("tokens_a_batch", [1, 100, 1 << 22])
@pytest.mark.parametrize("rows_a_part", [1, 70, 1000])
def test_tokens_are_frequency_ranks(monkeypatch: pytest.MonkeyPatch, tokens_a_batch: int, rows_a_part: int) -> None:
    monkeypatch.setattr(encoder, "_TOKENS", tokens_a_batch)
    monkeypatch.setattr(encoder, "PART_ROWS", rows_a_part)
    generator = np.random.default_rng(3)
    reviews = [[f"w{int(500 * u**2)}" for u in generator.random(generator.integers(0, 30))] for _ in range(300)]
    labels = generator.integers(0, 2, 300).tolist()
    order = generator.permutation(300).tolist()
    train, test = order[:50], order[50:280]
    units = [Texts([" ".join(words) for words in reviews[start : start + 90]]) for start in range(0, 300, 90)]
    corpus = made(units, "keras", labels, train, test)

    counts = Counter(word for row in train for word in reviews[row])
    expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    assert list(zip(corpus.words.to_pylist(), corpus.counts.tolist(), strict=True)) == expected
    assert decoded(corpus, "train") == [(reviews[row], labels[row]) for row in train]
    known = [([word for word in reviews[row] if word in counts], labels[row]) for row in test]
    assert decoded(corpus, "test") == known
    assert known != [(reviews[row], labels[row]) for row in test]  # or nothing was dropped
    assert len(corpus.splits["test"]) == -(-230 // rows_a_part)


def test_batches_have_bounded_sizes_and_the_right_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "_TOKENS", 100)
    units = [Texts(["a b c" * (row % 3) for row in range(500)])]
    batches: list[Reviews] = list(made(units, "keras", np.ones(500), range(500), []).reviews("train"))
    assert max(len(batch.tokens) + len(batch) for batch in batches) <= 107
    assert (
        {str(batch.tokens.dtype) for batch in batches} == {str(batch.offsets.dtype) for batch in batches} == {"int32"}
    )
    assert {str(batch.labels.dtype) for batch in batches} == {"uint8"}


def test_tokens_are_cached_by_content_and_tokenizer(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = Texts(["It's a fine <br /> film", "no"])
    first = tokenize(unit, "keras")
    assert tokenize(Texts(["another"]), "keras").path != first.path
    assert tokenize(unit, "unicode").path != first.path
    assert len(list(cache.iterdir())) == 3
    with monkeypatch.context() as patch:
        patch.setattr(Texts, "rows", lambda _: pytest.fail("it was read again"))
        assert tokenize(unit, "keras").path == first.path
    for damaged in (b"", first.path.read_bytes()[:-1], first.path.read_bytes().replace(b"fine", b"gone")):
        whole = first.path.read_bytes()
        first.path.write_bytes(damaged)
        again = tokenize(unit, "keras")
        assert again.path.read_bytes() == whole
        np.testing.assert_array_equal(again.hashes, first.hashes)


def test_the_oldest_cached_tokens_are_removed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [tokenize(Texts([f"text {number}"]), "keras").path for number in range(4)]
    for age, path in enumerate(made):
        os.utime(path, (1e9 - age, 1e9 - age))
    tokenize(Texts(["text 3"]), "keras")  # used just now
    monkeypatch.setenv("MULTIHOT_CACHE_GB", str(2.5 * made[0].stat().st_size / 1e9))
    tokens.prune()
    assert sorted(cache.iterdir()) == sorted([made[0], made[3]])
    monkeypatch.setenv("MULTIHOT_CACHE_GB", "many")
    with pytest.raises(UserError, match="MULTIHOT_CACHE_GB is 'many'"):
        tokens.prune()


def test_an_unwritable_cache_is_an_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.mkdir()
    cache.write_text("no folder")
    with pytest.raises(UserError, match=r"tokens cannot be written to .*\n.*XDG_CACHE_HOME"):
        tokenize(Texts(["a text"]), "keras")


def test_tokens_are_kept_under_all_the_code_that_makes_them() -> None:
    """Otherwise a run would use the tokens of an older version."""
    found: set[str] = set()
    waiting = ["stages.tables.stretches", "stages.tables.reader", "stages.encoding.tokenizers"]
    while waiting:
        for path in declared._files(ROOT, waiting.pop()):
            name = str(path.relative_to(ROOT))
            if name not in found | declared.CANNOT_CHANGE_OUTPUTS.keys():
                found.add(name)
                waiting += declared._imports(path)
    assert {ROOT / path for path in found} <= set(tokens.code())
