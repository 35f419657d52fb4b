from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from stages.contracts.reviews import RAW, Reviews, Source
from stages.download import __main__ as download
from stages.download import synthetic
from stages.download.corpus import Corpus
from stages.params import Synthetic

Drawn = tuple[Corpus, dict[str, list[Reviews]]]

SMALL = Synthetic(seed=5, train_rows=5_300, test_rows=701)


@pytest.fixture(scope="module")
def corpus() -> Drawn:
    """The corpus of SMALL, its batches in lists."""
    loaded = synthetic.load(SMALL)
    return loaded, {split: list(loaded.reviews(split)) for split in loaded.splits}


def written(settings: Synthetic) -> tuple[dict[str, bytes], Source]:
    """Write a corpus to data/raw in the working directory: the bytes of its files, and its source."""
    source = download.write(synthetic.load(settings))
    return {str(path): path.read_bytes() for path in RAW.rglob("*.*")}, source


def test_the_seed_determines_the_content_on_every_platform(folder: Path) -> None:
    first, source = written(SMALL)
    assert source.sha256 == "9d96770ecd30cde56e753fd5c9a725ccd39de2e08b4cfdbd45456da43dd9ca61"
    assert written(SMALL) == (first, source)
    other, _ = written(SMALL.model_copy(update={"seed": 6}))
    assert all(first[name] != other[name] for name in first)


def test_batches_and_splits_of_one_size_differ() -> None:
    size = synthetic.BATCH
    loaded = synthetic.load(Synthetic(seed=1, train_rows=2 * size, test_rows=size))
    batches = [batch for split in loaded.splits for batch in loaded.reviews(split)]
    assert [len(batch) for batch in batches] == [size] * 3
    for one, other in combinations(batches, 2):
        assert not np.array_equal(one.labels, other.labels)
        assert not np.array_equal(one.offsets, other.offsets)
        assert np.mean(one.tokens[:10_000] == other.tokens[:10_000]) < 0.02  # by chance, about 0.01


def test_half_of_each_batch_is_positive(corpus: Drawn) -> None:
    _, splits = corpus
    assert [len(batch) for batch in splits["train"]] == [5_000, 300]
    assert [int(batch.labels.sum()) for batch in splits["train"]] == [2_500, 150]
    assert [(len(batch), int(batch.labels.sum())) for batch in splits["test"]] == [(701, 350)]


def test_labels_are_shuffled(corpus: Drawn) -> None:
    labels = corpus[1]["train"][0].labels
    assert abs(np.corrcoef(labels[:-1], labels[1:])[0, 1]) < 0.06  # 4 standard errors


def test_ranks_are_by_frequency_in_the_training_split(corpus: Drawn) -> None:
    loaded, splits = corpus
    seen = Counter(token for batch in splits["train"] for token in batch.tokens.tolist())
    assert loaded.counts.tolist() == [seen[rank] for rank in range(1, len(loaded.words) + 1)]
    assert all(more >= fewer for more, fewer in pairwise(loaded.counts))
    assert sorted(loaded.words.to_pylist()) == sorted(pd.read_parquet(synthetic.WORD_COUNTS)["word"])
    assert max(batch.tokens.max() for batch in splits["test"]) <= len(loaded.words)


def test_lengths_are_distributed_as_on_imdb(corpus: Drawn) -> None:
    table = pd.read_parquet(synthetic.REVIEW_LENGTHS)
    imdb = np.repeat(table["length"], table["negative"] + table["positive"])
    drawn = np.concatenate([np.diff(batch.offsets) for batch in corpus[1]["train"]])
    assert scipy.stats.ks_2samp(drawn, imdb).pvalue > 0.001


def test_most_words_of_a_review_come_from_its_class(corpus: Drawn) -> None:
    """A positive review has, in the mean, 1 - 1/7 of its words from the positive urn: E[s] = 1 / 1.4."""
    loaded, splits = corpus
    urns = pd.read_parquet(synthetic.WORD_COUNTS).set_index("word")
    shares = urns / urns.sum()
    tokens = np.concatenate([batch.tokens for batch in splits["train"]])
    labels = np.concatenate([np.repeat(batch.labels, np.diff(batch.offsets)) for batch in splits["train"]])
    for word in ("the", "bad", "great", "movie", "worst", "excellent"):
        rank = loaded.words.to_pylist().index(word) + 1
        for label, own, other in ((1, "positive", "negative"), (0, "negative", "positive")):
            expected = (6 * shares[own][word] + shares[other][word]) / 7 * (labels == label).sum()
            assert (tokens[labels == label] == rank).sum() == pytest.approx(expected, abs=6 * expected**0.5)


def test_shares_of_the_own_class_follow_the_beta_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one word to a class, a review's words tell its s."""
    for name, key, negative, positive in (
        ("WORD_COUNTS", pd.Series(["bad", "good"], name="word"), [7, 0], [0, 3]),
        ("REVIEW_LENGTHS", pd.Series(range(1_001), name="length"), [0] * 1_000 + [1], [0] * 1_000 + [1]),
    ):
        monkeypatch.setattr(synthetic, name, tmp_path / name)
        key.to_frame().assign(negative=negative, positive=positive).to_parquet(tmp_path / name)
    loaded = synthetic.load(Synthetic(seed=1, train_rows=1_500, test_rows=2))
    good = loaded.words.to_pylist().index("good") + 1
    (batch,) = loaded.reviews("train")
    own = (batch.tokens.reshape(1_500, 1_000) == good).mean(axis=1)
    s = 2 * np.where(batch.labels == 1, own, 1 - own) - 1
    levels = [0.05, 0.1, 0.25, 0.5, 0.75]
    assert np.quantile(s, levels) == pytest.approx(scipy.stats.beta(1, 0.4).ppf(levels), abs=0.04)
