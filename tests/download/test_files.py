"""One's own reviews: what is made of them, how they are split, what is said of those that will not do."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import params
from stages.console import UserError
from stages.download import __main__ as download
from stages.download import files
from stages.download.corpus import Corpus
from stages.encoding import tokenizers as text
from stages.params import Files
from stages.tables import Row

Reviews = list[tuple[str, object]]


def settings(**changes: Any) -> Files:
    values = {"folder": ".", "train": "train.jsonl", "test": None, "text": None, "label": None, "positive": None}
    return Files.model_validate(values | {"test_share": 0.25, "seed": 1} | changes)


def write(path: str, reviews: Reviews) -> None:
    Path(path).write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in reviews))


def decoded(corpus: Corpus) -> dict[str, list[tuple[str, int]]]:
    """The reviews of each split, as text and label."""
    return {
        split: [
            (" ".join(corpus.words[token - 1] for token in batch.tokens[a:b]), int(label))
            for batch in batches
            for a, b, label in zip(batch.offsets[:-1], batch.offsets[1:], batch.labels, strict=True)
        ]
        for split, batches in corpus.splits.items()
    }


def sorted_by_label(negative: int, positive: int) -> Reviews:
    """Reviews that differ in their number, the negative ones first."""
    return [(f"review {row}", int(row >= negative)) for row in range(negative + positive)]


@pytest.fixture(autouse=True)
def _here(folder: Path) -> None:
    """Each test runs in a folder of its own."""


def test_two_files_are_the_two_splits() -> None:
    train, test = sorted_by_label(40, 60), sorted_by_label(7, 5)
    write("train.jsonl", train)
    write("test.ndjson", test)
    corpus = files.load(settings(test="test.ndjson"), text.keras)
    splits = decoded(corpus)
    assert corpus.source == "files"
    assert splits["test"] == test
    assert sorted(splits["train"]) == sorted(train)
    assert dict(zip(corpus.words, corpus.counts.tolist(), strict=True)) == Counter(
        " ".join(t for t, _ in train).split()
    )
    # Sorted by label in the file, but not here, where the first rows are held out for validation.
    assert 15 < sum(label for _, label in splits["train"][:40]) < 33


def test_one_file_is_split_by_share_and_class() -> None:
    reviews = sorted_by_label(40, 60)
    write("train.jsonl", reviews)
    corpus = files.load(settings(), str.split)
    train, test = (next(iter(corpus.splits[split])) for split in ("train", "test"))
    assert (len(train), train.labels.sum(), len(test), test.labels.sum()) == (75, 45, 25, 15)
    # What is held out is what the vocabulary, made from the training rows, does not know the number of.
    numbers = [int(word) for word in corpus.words if word != "review"]
    assert len(set(numbers)) == 75
    held_out = sorted(set(range(100)) - set(numbers))
    np.testing.assert_array_equal(test.labels, [label for row, (_, label) in enumerate(reviews) if row in held_out])


def test_the_seed_alone_decides_the_split() -> None:
    write("train.jsonl", [(f"{word} review", label) for word in "abcdefgh" for label in (0, 1) for _ in range(9)])
    first, same, other = (decoded(files.load(settings(seed=seed), text.keras)) for seed in (1, 1, 2))
    assert first == same
    assert first["train"] != other["train"]
    assert first["test"] != other["test"]


@pytest.mark.parametrize("tokenizer", text.TOKENIZERS)
def test_the_tokenizer_is_used(tokenizer: str) -> None:
    write("train.jsonl", [("ÉTÉ\u2019s", 0), ("ÉTÉ\u2019s", 1)] * 4)
    words = files.load(settings(), text.TOKENIZERS[tokenizer]).words
    assert words == {"keras": ["ÉtÉ\u2019s"], "unicode": ["été's"]}[tokenizer]


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        ((0, 1), None),
        ((0.0, 1.0), None),
        ((False, True), None),
        (("0", "1"), None),
        (("0.0", " 1.0"), None),
        (("neg", "pos"), None),
        (("Negative ", " POSITIVE"), None),
        (("FALSE", "true"), None),
        (("thumbs down", "Thumbs Up"), "thumbs up"),
        ((1, 5), 5),
        (("1", "5"), 5),
        ((1.0, 5.0), 5),
        ((1, 5), "5"),
        ((2.5, 4.5), 4.5),
        ((True, False), False),
        (("pos", "neg"), "neg"),
    ],
)
def test_labels_are_understood(labels: tuple[Any, Any], positive: Any) -> None:
    checked = settings(positive=positive).positive
    assert [files.meaning(Row("a.csv, line 2", "x", "label", label), checked) for label in labels] == [0, 1]


@pytest.mark.parametrize("label", ["meh", 2, 0.5, "", None, [1], {"a": 1}, "1" * 10_000])
def test_other_labels_are_said(label: object) -> None:
    write("train.jsonl", [("fine", 1), ("bad", 0), ("so so", label)])
    with pytest.raises(UserError, match=r"^train.jsonl, line 3, column 'label' is ") as caught:
        files.load(settings(), text.keras)
    message = str(caught.value)
    assert len(message) < 400
    if label in ("", None):
        assert "is empty; expected a label" in message
    else:
        assert "0, neg, negative, false, 1, pos, positive, true.\nOr set data.files.positive in params.yaml" in message


@pytest.mark.parametrize("label", ["", None, [1]])
def test_with_a_positive_label_given_no_label_is_still_none(label: object) -> None:
    write("train.jsonl", [("fine", "good"), ("bad", label)])
    with pytest.raises(UserError, match=r"^train.jsonl, line 2, column 'label' is "):
        files.load(settings(positive="good"), text.keras)


@pytest.mark.parametrize(("wrong", "missing"), [(0, "positive"), (1, "negative")])
@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl"])
def test_a_file_of_one_class_is_said(name: str, wrong: int, missing: str) -> None:
    for path in ("train.jsonl", "test.jsonl"):
        write(path, [("a", wrong), ("b", wrong)] if path == name else [("a", 0), ("b", 1)])
    with pytest.raises(UserError, match=rf"^{name} has no {missing} review among 2; (.|\n)*data.files.positive"):
        files.load(settings(test="test.jsonl"), text.keras)


def test_a_positive_label_that_is_none_is_said() -> None:
    write("train.jsonl", [("a", "good"), ("b", "bad")])
    with pytest.raises(UserError, match=r"^train.jsonl has no positive review among 2(.|\n)*data.files.positive"):
        files.load(settings(positive="great"), text.keras)


@pytest.mark.parametrize(("negative", "share"), [(1, 0.5), (2, 0.2), (2, 0.8)])
def test_too_few_rows_to_split_are_said(negative: int, share: float) -> None:
    write("train.jsonl", sorted_by_label(negative, 100))
    with pytest.raises(UserError, match=rf"^train.jsonl has {negative} negative reviews, too few to split: test_share"):
        files.load(settings(test_share=share), text.keras)


def test_rows_in_both_splits_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    write("train.jsonl", [("a", 0), ("b", 1), ("c", 1)])
    write("test.jsonl", [("b", 1), ("b", 1), ("a", 0), ("d", 1), ("A", 1)])
    files.load(settings(test="test.jsonl"), text.keras)
    assert "warning: 3 of 5 test reviews have a training review's text" in capsys.readouterr().out
    write("test.jsonl", [("e", 1), ("f", 0)])
    files.load(settings(test="test.jsonl"), text.keras)
    assert capsys.readouterr().out == ""


def test_another_kind_of_file_for_testing_will_do() -> None:
    write("train.jsonl", [("good film", 1), ("bad film", 0)])
    Path("test.csv").write_text('TEXT,Sentiment\n"bad, bad film",negative\ngood,positive\n')
    assert decoded(files.load(settings(test="test.csv"), text.keras))["test"] == [("bad bad film", 0), ("good", 1)]


def test_settings_say_what_is_allowed() -> None:
    for wrong in (
        {"test_share": 0},
        {"test_share": 1},
        {"train": ""},
        {"train": None},
        {"seed": -1},
        {"positive": [1]},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            settings(**wrong)


def test_without_a_file_the_next_source_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    data = params.Data(
        sources=["files", "synthetic"],
        tokenizer="keras",
        files=settings(),
        synthetic=params.Synthetic(seed=1, train_rows=4, test_rows=2),
    )
    assert download.first(data).source == "synthetic"
    assert "warning: train.jsonl is not a file: put one there" in capsys.readouterr().out
    write("train.jsonl", sorted_by_label(40, 60))
    assert download.first(data).source == "files"
