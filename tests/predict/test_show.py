"""Answers are formatted for people and as JSON."""

import json

import pytest

from stages.encoding.tokenizers import TOKENIZERS
from stages.predict import show
from stages.predict.model import Answer

REASONS = {"sun": 0.5, "a": 0.25, "b": 0.2, "c": 0.15, "d": 0.1, "e": 0.09, "f": 0.001, "<unknown>": -0.3, "rain": -2.0}


def answer(text: str, contributions: dict[str, float] | None = None, probability: float = 0.75) -> Answer:
    return Answer(3, "a.txt, line 3", text, probability, True, contributions)


def people(given: Answer, colour: bool = False) -> list[str]:
    return show.for_people(given, TOKENIZERS["keras"], colour=colour).split("\n")


@pytest.mark.parametrize("text", ["plain", "naïve \u2028 👍\n\x1b[31m"])
def test_json_is_one_line_of_ascii(text: str) -> None:
    line = show.as_json(answer(text))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"row": 3, "text": text, "probability": 0.75, "label": "positive"}
    explained = json.loads(show.as_json(answer(text, {"sun": 0.12345678, "rain": -2.0})))
    assert explained["contributions"] == {"sun": 0.123457, "rain": -2.0}


@pytest.mark.parametrize(("probability", "label"), [(0.5, "negative"), (0.50001, "positive")])
def test_a_line_has_label_probability_and_text(probability: float, label: str) -> None:
    assert people(answer(" two\r\n words\t", probability=probability)) == [f"{label}  {probability:.4f}  two words"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 72, "x" * 72),
        ("x" * 73, "x" * 69 + "..."),
        ("x " * 36, ("x " * 36).strip()),
        ("x \n" * 37, "x " * 34 + "x..."),
        ("word " * 200_000, "word " * 13 + "word..."),
    ],
)
def test_long_texts_are_cut(text: str, shown: str) -> None:
    assert people(answer(text)) == [f"positive  0.7500  {shown}"]


@pytest.mark.parametrize("contributions", [None, {"sun": 1.0}])
@pytest.mark.parametrize("colour", [False, True])
def test_control_characters_are_not_printed(contributions: dict[str, float] | None, colour: bool) -> None:
    line = people(answer("rain \x1b]0;title\x07 \x9b2J \u202e\x7f\x00 rain", contributions), colour)[0]
    assert line.startswith("positive  0.7500  rain  ]0;title")
    assert line.isprintable()


def test_the_strongest_words_for_and_against_are_shown() -> None:
    text = "sun! " + "rain " * 50
    assert people(answer(text, REASONS)) == [
        f"positive  0.7500  {text.strip()}",
        "  for     sun +0.50, a +0.25, b +0.20, c +0.15, d +0.10",
        "  against rain -2.00, <unknown> -0.30",
    ]
    assert people(answer("f", {"f": 0.001}))[1:] == ["  for     no word", "  against no word"]


def test_colours_mark_all_words_of_an_n_gram() -> None:
    first = people(answer("not so good, not good", {"not good": -1.0, "so": 0.5}), colour=True)[0]
    assert first.endswith("  not \x1b[32mso\x1b[0m good, \x1b[31mnot\x1b[0m \x1b[31mgood\x1b[0m")


def test_colours_mark_the_strongest_words() -> None:
    first, *rest = people(answer("The SUN, e -- (rain).<br />f", REASONS), colour=True)
    assert first == "positive  0.7500  The \x1b[32mSUN,\x1b[0m e -- \x1b[31m(rain).<br\x1b[0m />f"
    assert rest == people(answer("", REASONS))[1:]
