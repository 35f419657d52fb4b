"""The report: safe for any input, reproducible, and accessible in a real browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from playwright.sync_api import Browser, Page

from stages.encoding import TokenizerName
from stages.evaluate import report
from stages.evaluate.charts import GREY, NEGATIVE, POSITIVE, Chart
from stages.evaluate.examples import Example, TopWords, Word, WordEffect
from tests.conftest import quietly_opened

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=http://127.0.0.1:9/x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "</title></style></svg><h1>",
    "\u202egnp.exe\u2066\u200f",
    "\x00\x1b[31m\ud800",
    "w" * 10**6,
    "كلمة",
]


def draw(axes: Axes) -> None:
    axes.plot([1, 2, 3], [3, 1, 2], "o-", color=POSITIVE, label="one")
    axes.plot([1, 2, 3], [2, 3, 1], color=NEGATIVE, label="other", clip_on=True)
    axes.legend()
    axes.set_xlabel("Epoch")


def chart(title: str) -> Chart:
    table = pd.DataFrame({"epoch": range(40), "one": np.arange(40) / 7, "other": "wide" * 3})
    return Chart("chart", title, f"{title}: what is to be seen.", table, draw)


def example_review(row: int, words: list[Word]) -> Example:
    return Example(row, row % 2 == 0, 0.75, words, [word for word in words if word.log_odds], 0)


def page(word: str = "fine", source: str = "made up", tokenizer: TokenizerName = "keras") -> str:
    metrics: dict[str, Any] = {
        "source": source,
        "threshold": 0.5,
        "rows": {"train": 3000, "test": 1234567},
        "validation": {"best_epoch": 3},
        "test": {"loss": 0.31, "roc_auc": 0.95, "undefined": None},
        "test_interval": {"loss": [0.29, 0.333]},
    }
    words = [Word(word), Word(word, 0.5), Word("dull", -1.25), *[Word("and")] * 100]
    reviews = {
        "Right": [example_review(1, words), example_review(2, words[:3])],
        "Wrong": [],
        "Doubtful": [example_review(1, words)],
    }
    pushes = TopWords([WordEffect(word, 0.5, 30)], [WordEffect("dull", -1.25, 45)], rows=2000)
    params: dict[str, dict[str, Any]] = {
        "train": {"seed": 1, "epochs": "best", "units": [16, 16]},
        "data": {"files": {"folder": word}},
    }
    charts = [chart("Loss"), chart("Accuracy")]
    return report.render(metrics, params, tokenizer, charts, chart("Slices"), pushes, reviews)


class Parsed(HTMLParser):
    """The elements of a page, each with its attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += "" if tag == "wbr" else " "

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: ascii(word[:12]))
def test_hostile_words_add_no_element_and_no_invisible_character(word: str) -> None:
    hostile = page(word, source=word)
    hostile.encode()
    plain, made = Parsed(page()), Parsed(hostile)
    assert [(tag, sorted(values)) for tag, values in made.elements] == [
        (tag, sorted(values)) for tag, values in plain.elements
    ]
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", hostile)
    assert len(hostile) < len(page()) + 5000


def test_words_that_are_harmless_are_shown_as_they_are() -> None:
    text = Parsed(page("l'été\u200d<3")).text
    assert text.count("l'été\u200d<3") >= 5


def test_all_that_was_measured_and_chosen_is_there() -> None:
    text = " ".join(Parsed(page()).text.split())
    for shown in ("Loss 0.3100 0.2900 to 0.3330", "ROC AUC 0.9500", "Undefined null", "made up", "rows.test 1,234,567"):
        assert shown in text
    for shown in ("seed 1", "epochs best", "units [16, 16]", "files.folder fine", "best_epoch 3"):
        assert shown in text
    for shown in ("first 2,000 test reviews", "fine +0.50 30", "dull \u22121.25 45", "There are none."):
        assert shown in text
    assert "Negative, but predicted positive Test row 2, probability of “positive” 0.7500" in text
    assert "Positive, and predicted positive Test row 3" in text
    assert "The other 43 words" in text


def page_of(review: Example, tokenizer: TokenizerName = "keras") -> str:
    """A page with a single review, and little else."""
    metrics = {"source": "x", "threshold": 0.5, "test": {}}
    return report.render(metrics, {}, tokenizer, [], chart("Slices"), TopWords([], [], rows=0), {"Right": [review]})


def test_a_probability_is_never_rounded_to_certainty() -> None:
    made = page_of(Example(0, True, 0.99999, [Word("a")], [], 0))
    assert "1.0000" not in made.partition('id="reviews"')[2]
    assert "&gt;\u00a00.9999" in made


def test_runs_of_br_are_line_breaks() -> None:
    review = Example(0, True, 0.7, [Word("a"), Word("br"), Word("br"), Word("br", 0.5), Word("b")], [], 0)
    made = page_of(review)
    assert made.count("<br>") == 1
    assert made.count(">br<") == 1  # the marked one
    assert "stands for the word br" in made
    made = page_of(review, "unicode")
    assert "a br br <mark" in made  # in these reviews it is a word like others
    assert "stands for the word br" not in made


def test_own_reviews_are_named_in_words() -> None:
    assert "trained on your own files answers" in " ".join(Parsed(page(source="files")).text.split())


def test_the_parameters_are_folded() -> None:
    assert not re.search(r"<details[^>]+open", page())
    before, _, after = page().partition("<summary>All parameters</summary>")
    assert "params.yaml: train" in after.partition("</details>")[0]
    assert "params.yaml: train" not in before


def test_n_grams_are_phrases() -> None:
    assert "Word or phrase" not in page()
    assert "Word or phrase" in page("not bad")


def test_the_same_input_gives_the_same_bytes() -> None:
    assert page() == page()


def test_a_chart_has_a_title_and_ids_of_its_own() -> None:
    elements = Parsed(page()).elements
    ids = [values["id"] for _, values in elements if "id" in values]
    assert len(ids) == len(set(ids))
    charts = [values for tag, values in elements if tag == "svg"]
    assert len(charts) == 3
    for values in charts:
        assert values["role"] == "img"
        assert set((values["aria-labelledby"] or "").split()) <= set(ids)
    source = page()
    assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', source)) <= set(ids)
    assert '<title id="chart-1-title">Loss</title>' in source


def test_nothing_is_asked_for_from_anywhere() -> None:
    made = page()
    assert "http:" not in made
    assert "https:" not in made
    for tag, values in Parsed(made).elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        assert "src" not in values
        assert not any(name.startswith("on") for name in values)
        assert all((values.get(name) or "#").startswith("#") for name in ("href", "xlink:href"))


def luminance(colour: str) -> float:
    """As WCAG 2 has it."""
    parts = to_rgb(colour)
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_colours_stand_out_from_every_background() -> None:
    backgrounds = re.findall(r"--(?:ground|card): (#\w{6})", page())
    assert len(set(backgrounds)) == 4
    for background in backgrounds:
        for colour in (POSITIVE, NEGATIVE, GREY):
            dark, light = sorted([luminance(background), luminance(colour)])
            assert (light + 0.05) / (dark + 0.05) >= 3, (background, colour)


# In a browser


def opened(browser: Browser, folder: Path, width: int, scheme: Literal["light", "dark"]) -> Page:
    """The page with everything unfolded, its hostile words in place, opened from disk without a network."""
    path = folder / "report.html"
    path.write_text(page("".join(HOSTILE[:6]), source="w" * 10**4), encoding="utf-8")
    tab = quietly_opened(browser, path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true })")
    return tab


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_everything_is_drawn_and_nothing_sticks_out(browser: Browser, tmp_path: Path, width: int) -> None:
    tab = opened(browser, tmp_path, width, "light")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    charts = tab.locator("svg").all()
    assert len(charts) == 3
    for svg in charts:
        box = svg.bounding_box()
        assert box
        assert box["width"] > 200
        assert box["height"] > 100
    names = [text for text in tab.locator("svg text").all() if text.text_content() == "Epoch"]
    assert [text.bounding_box() is not None for text in names] == [True, True, True]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"], width: int) -> None:
    tab = opened(browser, tmp_path, width, scheme)
    assert (tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 23)") == (scheme == "dark")
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    assert tab.locator("h1").count() == 1


def test_the_text_of_a_chart_has_the_pages_colour(browser: Browser, tmp_path: Path) -> None:
    tab = opened(browser, tmp_path, 1280, "dark")
    colour = "element => [getComputedStyle(element).fill, getComputedStyle(document.body).color]"
    for text in tab.locator("svg text").all():
        fill, ink = text.evaluate(colour)
        assert fill == ink


def test_the_keyboard_reaches_everything(browser: Browser, tmp_path: Path) -> None:
    tab = opened(browser, tmp_path, 390, "light")
    reached = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        name = tab.evaluate(
            """() => { const element = document.activeElement, style = getComputedStyle(element)
            if (element === document.body) return null
            if (style.outlineStyle === "none" || element.getBoundingClientRect().top < 0) return "unseen"
            return element.getAttribute("aria-label") || element.textContent }"""
        )
        if name is None:
            break
        reached.append(name)
    assert reached[0] == "Skip to the content"
    assert "unseen" not in reached
    scrolled = tab.evaluate(
        """[...document.querySelectorAll("*")].filter(element =>
        /auto|scroll/.test(getComputedStyle(element).overflowY) && element.scrollHeight > element.clientHeight)
        .map(element => element.getAttribute("aria-label"))"""
    )
    assert scrolled == ["Loss, in numbers", "Accuracy, in numbers", "Slices, in numbers"]
    assert set(scrolled) <= set(reached)
