"""Your own reviews: their labels, splits, details and errors."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import params
from stages.console import UserError
from stages.contracts.reviews import SPLITS, read_details, read_reviews, read_source, read_vocabulary
from stages.download import __main__ as download
from stages.download import files
from stages.download.corpus import Corpus
from tests import conftest
from tests.conftest import files_settings as settings
from tests.conftest import write_params

Reviews = Sequence[tuple[str, object]]


def write(path: str, reviews: Reviews) -> None:
    Path(path).write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in reviews))


def load(**changes: Any) -> Corpus:
    return files.load(settings(**changes), "keras")


def decoded(corpus: Corpus) -> dict[str, list[tuple[str, int]]]:
    """The reviews of each split, as text and label."""
    return {split: [(" ".join(words), label) for words, label in conftest.decoded(corpus, split)] for split in SPLITS}


def sorted_by_label(negative: int, positive: int) -> Reviews:
    """Reviews of different words, the negative ones first."""
    return [(f"review {row}", int(row >= negative)) for row in range(negative + positive)]


@pytest.fixture(autouse=True)
def _here(folder: Path) -> None:
    """Each test runs in a folder of its own."""


def test_two_files_become_the_two_splits() -> None:
    train, test = sorted_by_label(40, 60), sorted_by_label(7, 5)
    write("train.jsonl", train)
    write("test.ndjson", test)
    corpus = load(test="test.ndjson")
    splits = decoded(corpus)
    assert corpus.source == "files"
    assert splits["test"] == test
    assert sorted(splits["train"]) == sorted(train)
    words = Counter(" ".join(text for text, _ in train).split())
    assert dict(zip(corpus.words.to_pylist(), corpus.counts.tolist(), strict=True)) == words
    # The file is sorted by label. The training rows are not, since the first ones are held out for validation.
    assert 15 < sum(label for _, label in splits["train"][:40]) < 33


def test_another_header_is_not_taken_for_the_one_whose_tokens_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_STRETCH", 200)
    rows = "".join(f"old {row},new {row},{row % 2}\n" for row in range(200))
    for header, words in (("text,other,label\n", {"old"}), ("other,text,label\n", {"new"})):
        Path("train.csv").write_text(header + rows)
        assert {word for word in load(train="train.csv").words.to_pylist() if not word.isdecimal()} == words


def test_one_file_is_split_with_the_test_share_in_each_class() -> None:
    reviews = sorted_by_label(40, 60)
    write("train.jsonl", reviews)
    corpus = load()
    train, test = (next(corpus.reviews(split)) for split in ("train", "test"))
    assert (len(train), train.labels.sum(), len(test), test.labels.sum()) == (75, 45, 25, 15)
    # Each review has its number as a word. The vocabulary lacks the numbers of the test rows.
    numbers = {int(word) for word in corpus.words.to_pylist() if word != "review"}
    held_out = sorted(set(range(100)) - numbers)
    np.testing.assert_array_equal(test.labels, [label for row, (_, label) in enumerate(reviews) if row in held_out])


def test_the_split_depends_on_the_seed_and_the_words_alone() -> None:
    write("train.jsonl", reviews := [(f"{word} {row} review", row % 2) for word in "abcd" for row in range(40)])
    first, same, other = (decoded(load(seed=seed)) for seed in (1, 1, 2))
    assert first == same
    assert first["train"] != other["train"]
    assert len(first["test"]) == len(other["test"])
    write("train.jsonl", reviews[::-1])  # another order of the file: the same rows, in the same order, to train on
    assert decoded(load())["train"] == first["train"]


def test_duplicates_stay_on_one_side_of_each_split(capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(1)
    texts = [f"same {number}" for number in generator.integers(0, 60, 200)] + [f"other {row}" for row in range(400)]
    reviews = [(f"{text}!" if row % 3 else text.upper(), row % 2) for row, text in enumerate(texts)]
    write("train.jsonl", reviews)
    frame = pd.DataFrame({"words": texts, "label": [label for _, label in reviews]})
    both = int((frame.groupby("words")["label"].nunique() == 2).sum())
    duplicates = int(frame.duplicated("words").sum())

    corpus = load()
    assert f"{duplicates} of 600" in (said := capsys.readouterr().out)
    assert f"{both} texts have both labels" in said
    assert corpus.own is not None
    assert (corpus.own.duplicates, corpus.own.both_labels) == (duplicates, both)
    rows = [text for text, _ in decoded(corpus)["train"]]
    counts = Counter(rows)
    repeated = [counts[row] > 1 for row in rows]
    assert repeated == sorted(repeated)  # repeated texts come last, so that a hold-out of the first rows has none
    assert len(list(groupby(rows))) == len(counts)  # and the rows of each are together
    known = Counter(frame["words"])
    assert all(known[text] == count for text, count in counts.items())  # all rows of a text are here, or none

    dropped = load(duplicates="drop")
    assert sum(len(batch) for split in dropped.splits for batch in dropped.reviews(split)) == 600 - duplicates


def test_test_reviews_that_are_also_training_reviews_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    write("train.jsonl", [("a", 0), ("b", 1), ("c", 1)])
    write("test.jsonl", [("b", 1), ("b", 1), ("a", 0), ("d", 1), ("A", 1), ("e", 0)])
    load(test="test.jsonl")
    assert "4 of 6 test reviews" in capsys.readouterr().out
    assert decoded(load(test="test.jsonl", duplicates="drop"))["test"] == [("", 1), ("", 0)]


def test_test_rows_keep_the_order_of_the_file_when_duplicates_are_dropped() -> None:
    write("train.jsonl", [*sorted_by_label(20, 20), ("a b c d e f g h", 1)])
    write("test.jsonl", [(word, row % 2) for row, word in enumerate("habgfahdcbe")])
    test = decoded(load(test="test.jsonl", duplicates="drop"))["test"]
    assert test == [("h", 0), ("a", 1), ("b", 0), ("g", 1), ("f", 0), ("d", 1), ("c", 0), ("e", 0)]


@pytest.mark.parametrize(
    ("labels", "positive", "negative"),
    [
        ((0, 1), None, None),
        ((0.0, 1.0), None, None),
        ((False, True), None, None),
        (("0.0", " 1.0"), None, None),
        (("Negative ", " POSITIVE"), None, None),
        (("thumbs down", "Thumbs Up"), "thumbs up", None),
        ((1, 5), 5, None),
        ((1, 5), None, 1),
        ((1, 5), "5", [1, 2]),
        ((2.5, 4.5), [4.5], 2.5),
        ((True, False), False, None),
    ],
)
def test_labels_are_recognized(labels: tuple[Any, Any], positive: Any, negative: Any) -> None:
    write("train.jsonl", [(f"a {row}", labels[row % 2]) for row in range(40)])
    train = decoded(load(positive=positive, negative=negative))["train"]
    assert [label for _, label in train] == [int(words.split()[1]) % 2 for words, _ in train]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["5 (20 rows)", "3 (10 rows)", "data.files.positive"]),
        ({"positive": 5}, ["3 (10 rows)", "data.files.negative"]),
        ({"negative": 1}, ["5 (20 rows)", "data.files.positive"]),
        ({"positive": [5, 3], "negative": [3, 1]}, ["data.files.positive", "data.files.negative", "3"]),
        ({"positive": 4, "negative": 1}, ["no positive review"]),
    ],
)
def test_unclear_labels_are_an_error_with_their_counts(changes: dict[str, Any], words: list[str]) -> None:
    write("train.jsonl", [(f"a {row}", label) for row, label in enumerate([5, 5, 3, 1] * 10)])
    with pytest.raises(UserError) as caught:
        load(**changes)
    assert [word for word in words if word not in str(caught.value)] == []


def test_source_json_has_the_counts_of_labels_and_bad_rows() -> None:
    write("train.jsonl", [(f"a {row}", label) for row, label in enumerate([5, 4, 3, 1, None] * 10)])
    shutil.copy("train.jsonl", "more.jsonl")
    values = settings(train=["train.jsonl"], positive=[4, 5], negative=1, bad_rows="skip")
    download.write(files.load(values, "keras"))
    own = read_source().own
    assert own is not None
    assert own.labels == {"positive": {"5": 10, "4": 10}, "negative": {"1": 10}, "left out": {"3": 10}}
    assert (own.bad_rows, own.duplicates, own.both_labels) == (10, 0, 0)


def test_the_details_give_the_file_the_row_and_the_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_STRETCH", 200)  # so that the files are read in several stretches
    frame = pd.DataFrame({"text": [f"a {n}" for n in range(40)], "label": [n % 2 for n in range(40)]})
    frame = frame.assign(year=[str(n + 1990) for n in range(40)], shop=["", *"abc"] * 10)
    Path("some").mkdir()
    frame.to_csv("some/a.csv", index=False)
    frame[::-1].assign(year=range(40)).to_json("some/b.jsonl", orient="records", lines=True)
    download.write(files.load(settings(train="some", slices=["shop", "year"]), "keras"))
    known = read_vocabulary()
    for split in ("train", "test"):
        details = read_details(split)
        assert details.columns.tolist() == ["file", "row", "shop", "year"]
        reviews = next(read_reviews(split, 100))
        for number, (file, row, shop, year) in enumerate(details.itertuples(index=False)):
            original = frame.iloc[row - 1 if file == "some/a.csv" else -row]
            assert reviews.labels[number] == original["label"]
            assert shop == original["shop"]
            assert year == (original["year"] if file == "some/a.csv" else str(row - 1))
            if split == "train":
                tokens = reviews.tokens[reviews.offsets[number] : reviews.offsets[number + 1]]
                assert " ".join(known[token - 1] for token in tokens) == original["text"]


def test_a_missing_slice_column_is_an_error() -> None:
    write("train.jsonl", sorted_by_label(40, 60))
    Path("train.txt").write_text("__label__pos fine\n")
    for name in ("train.jsonl", "train.txt"):
        with pytest.raises(UserError, match=r"^train.*data.files.slices in params.yaml names.*$"):
            load(train=name, slices=["year"])


def test_bad_rows_are_one_error_with_the_first_places() -> None:
    write("train.jsonl", [*[("", 0)] * 9, *sorted_by_label(40, 60)])
    with pytest.raises(UserError) as caught:
        load()
    message = str(caught.value)
    assert message.startswith("9 bad rows of 109: train.jsonl, row 1: ")
    assert "row 5" in message
    assert "row 6" not in message


def test_files_are_given_by_name_folder_pattern_or_list(capsys: pytest.CaptureFixture[str]) -> None:
    Path("some").mkdir()
    for name, reviews in (("some/b.jsonl", [("b", 1)]), ("some/a.jsonl", [("a", 0)]), ("c.jsonl", [("c", 1)])):
        write(name, reviews)
    Path("some/.a.jsonl.swp").write_text("x")
    Path("some/notes.md").write_text("x")
    write("train.jsonl", sorted_by_label(4, 4))
    for test in ("some", "some/*.jsonl", ["some/b.jsonl", "some/a.jsonl"], ["some", "some/a.*"]):
        assert [label for _, label in decoded(load(test=test))["test"]] == [0, 1]
        assert ("warning: 1 file in some not read: notes.md\n" in capsys.readouterr().out) == (
            "some" in (test if isinstance(test, list) else [test])
        )
    assert [label for _, label in decoded(load(test=["some", "c.jsonl"]))["test"]] == [1, 0, 1]


@pytest.mark.parametrize("name", ["missing.csv", "missing-*.csv", "empty", ["train.jsonl", "missing.csv"]])
def test_missing_reviews_are_an_error(name: Any) -> None:
    write("train.jsonl", sorted_by_label(40, 60))
    Path("empty").mkdir()
    with pytest.raises(UserError, match=r"(missing|empty).*(.|\n)*data.files.train"):
        load(train=name)


def test_an_unpacked_aclimdb_folder_is_read() -> None:
    for split in ("train", "test"):
        for kind in ("pos", "neg"):
            Path("own", split, kind).mkdir(parents=True)
            for number in range(3):
                Path("own", split, kind, f"{number}.txt").write_text(f"{kind} {number} {split}")
    splits = decoded(load(train="own"))
    assert sorted(splits["train"]) == sorted(
        (f"{kind} {n} train", int(kind == "pos")) for kind in ("pos", "neg") for n in range(3)
    )
    assert [label for _, label in splits["test"]] == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize(("negative", "share"), [(1, 0.5), (2, 0.2), (2, 0.8)])
def test_too_few_rows_to_split_are_an_error(folder: Path, negative: int, share: float) -> None:
    write_params(folder)
    params.load()
    write("train.jsonl", sorted_by_label(negative, 100))
    with pytest.raises(UserError, match=rf"^{negative} different negative reviews .* too few to split: test_share"):
        load(test_share=share)
    if negative == 2:
        with pytest.raises(UserError, match=r"test_share to 0\.5 and train\.holdout_rows to 20 "):
            load(test_share=share)
        load(test_share=0.5)


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl"])
def test_a_split_of_one_class_is_an_error(name: str) -> None:
    for path in ("train.jsonl", "test.jsonl"):
        write(path, [("a", 1), ("b", 1)] if path == name else [("a", 0), ("b", 1)])
    with pytest.raises(UserError, match=r"no negative review among 2"):
        load(test="test.jsonl")


@pytest.mark.parametrize(
    "wrong",
    [{"test_share": 0}, {"train": ""}, {"train": []}, {"train": "../a"}, {"seed": -1}, {"positive": [[1]]},
     {"encoding": "utf-99"}, {"encoding": "base64"}, {"bad_rows": "drop"}, {"slices": ["row"]}, {"slices": ["a", "a"]},
     {"columns": []}],
)  # fmt: skip
def test_invalid_settings_are_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(**wrong)
