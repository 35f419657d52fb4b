"""N-grams agree with scikit-learn's CountVectorizer, which works on strings."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer

from stages import params
from stages.console import UserError
from stages.contracts.features import Columns
from stages.contracts.reviews import Reviews, read_reviews, read_vocabulary
from stages.encoding import multi_hot, ngrams
from stages.encoding.vocabulary import SPECIAL
from stages.params import Params, Vectorize
from stages.vectorize import columns
from tests.conftest import random_reviews, token_lists, write_reviews

NAMES = [f"w{number}" for number in range(40)]
REVIEWS = random_reviews(700, len(NAMES), seed=1)


def choose(reviews: Reviews, words: list[str], settings: Vectorize) -> tuple[list[str], int, ngrams.NGrams]:
    write_reviews("train", [reviews], len(reviews), len(words))
    return columns.choose(words, settings)


def check(reviews: Reviews, words: list[str], settings: Vectorize) -> None:
    """Compare columns, their order, and the ones below them with those of CountVectorizer."""
    chosen, first, known = choose(reviews, words, settings)
    counter = CountVectorizer(
        token_pattern="[^ ]+", lowercase=False, ngram_range=(2, settings.ngrams), min_df=settings.min_count, binary=True
    )
    texts = [" ".join(words[token - 1] for token in tokens) for tokens in token_lists(reviews)]
    expected = scipy.sparse.csc_matrix(counter.fit_transform(texts))
    counts = np.asarray(expected.sum(axis=0)).ravel()
    place, rank = counter.vocabulary_, {word: number for number, word in enumerate(words)}
    order = sorted(place, key=lambda text: (text.count(" "), -counts[place[text]], [rank[w] for w in text.split(" ")]))
    assert chosen == [*SPECIAL, *words][: settings.num_words] + order
    ones = multi_hot.encode(reviews, first, known).matrix[:, first:]
    assert (ones != expected[:, [place[text] for text in order]]).nnz == 0


@pytest.mark.parametrize(("longest", "least", "num_words"), [(2, 1, None), (3, 2, None), (4, 3, 20)])
def test_columns_and_ones_agree_with_count_vectorizer(
    settings: Params, longest: int, least: int, num_words: int | None
) -> None:
    changes = {"ngrams": longest, "min_count": least, "num_words": num_words, "rows_per_part": 300}
    check(REVIEWS, NAMES, settings.vectorize.model_copy(update=changes))


def test_columns_and_ones_of_imdb_agree_with_count_vectorizer(
    imdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, part = read_vocabulary(), next(read_reviews("train", 1000))
    settings = params.load().vectorize.model_copy(update={"ngrams": 3, "min_count": 2, "num_words": None})
    monkeypatch.chdir(tmp_path)
    check(part, words, settings)


def test_rare_n_grams_get_no_column(settings: Params) -> None:
    chosen, first, known = choose(REVIEWS, NAMES, settings.vectorize.model_copy(update={"ngrams": 3, "min_count": 701}))
    assert len(chosen) == first
    assert multi_hot.encode(REVIEWS, first, known).matrix.shape == (len(REVIEWS), first)


def test_n_grams_are_parsed_from_the_texts_of_the_columns(settings: Params) -> None:
    """`predict` has only these texts. Its words have other numbers, and some occur only in n-grams."""
    changes = {"ngrams": 3, "min_count": 2, "num_words": 20}
    chosen, num_word_columns, known = choose(REVIEWS, NAMES, settings.vectorize.model_copy(update=changes))
    found = Columns(chosen, "keras")
    assert (found.num_word_columns, found.longest) == (num_word_columns, 3)
    names = ngrams.all_words(found)
    assert names[: num_word_columns - len(SPECIAL)] == chosen[len(SPECIAL) : num_word_columns]
    numbers = np.array([names.index(word) + 1 if word in names else len(names) + 1 for word in NAMES], np.int32)
    renumbered = Reviews(numbers[REVIEWS.tokens - 1], REVIEWS.offsets, REVIEWS.labels)
    ours = multi_hot.encode(renumbered, num_word_columns, ngrams.parse(found, names))
    assert (ours.matrix != multi_hot.encode(REVIEWS, num_word_columns, known).matrix).nnz == 0


def test_an_unknown_word_ends_a_run() -> None:
    known = ngrams.parse(Columns([*SPECIAL, "not", "good", "not good"], "keras"), ["not", "good"])
    reviews = Reviews(np.array([1, 2, 1, 3, 2, 1], np.int32), np.array([0, 2, 5, 6], np.int32), np.zeros(3, np.uint8))
    assert multi_hot.encode(reviews, 6, known).matrix[:, 6].toarray().ravel().tolist() == [1, 0, 0]


@pytest.mark.parametrize("texts", [["not bad"], ["not good", "good not not"]])
def test_columns_of_another_run_are_an_error(texts: list[str]) -> None:
    with pytest.raises(UserError, match=r"^columns.parquet .*run `dvc repro`$"):
        ngrams.parse(Columns([*SPECIAL, "not", "good", *texts], "keras"), ["not", "good"])
