"""The page of `make plots` in a browser: DVC's charts are drawn without a network, and are accessible."""

import csv
import re
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, FloatRect, Locator, Page
from ruamel.yaml import YAML

from tests.conftest import quietly_opened
from tests.pipeline.conftest import Clone


class Plots(NamedTuple):
    """A page, the revisions on it, and the charts in dvc.yaml."""

    path: Path
    revisions: list[str]
    charts: dict[str, dict[str, Any]]
    reviews: list[str]
    """The numbers in the cells of the confusion matrices."""


def made(clone: Clone, *revisions: str) -> Plots:
    printed = clone.make("plots", f"REVS={' '.join(revisions)}").stdout
    path = clone.folder / "dvc_plots" / "index.html"
    assert printed.split() == [path.as_uri()]
    charts = YAML(typ="safe").load(clone.folder / "dvc.yaml")["plots"]
    named = {name: chart for each in charts for name, chart in each.items()}
    return Plots(path, list(revisions) or ["workspace"], named, confusion(clone))


def confusion(clone: Clone) -> list[str]:
    """The numbers in the confusion matrix of a clone."""
    return [row["rows"] for row in csv.DictReader(clone.read("results/plots/confusion.csv").splitlines())]


@pytest.fixture(scope="module", params=["workspace", "two commits"])
def plots(
    request: pytest.FixtureRequest, reproduced: Clone, changed: Clone, tmp_path_factory: pytest.TempPathFactory
) -> Plots:
    clone = changed.copied(tmp_path_factory.mktemp("plots") / "multihot")
    if request.param == "workspace":
        return made(clone)
    clone.commit("other parameters")
    after = made(clone, "HEAD", "HEAD~1")
    return after._replace(reviews=after.reviews + confusion(reproduced))


def sized(browser: Browser, plots: Plots, width: int, **settings: Any) -> Page:
    tab = quietly_opened(browser, plots.path, viewport={"width": width, "height": 800}, **settings)
    tab.wait_for_function(f"document.querySelectorAll('svg').length == {len(plots.charts)}")
    return tab


def box(element: Locator) -> FloatRect:
    found = element.bounding_box()
    assert found
    return found


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_each_chart_is_drawn_with_its_title_and_labels_and_nothing_is_cut_off_covered_or_too_small(
    browser: Browser, plots: Plots, width: int
) -> None:
    tab = sized(browser, plots, width)
    assert len(plots.charts) == 8
    for name, chart in plots.charts.items():
        svg = tab.locator(f"#{name} svg")
        assert box(svg)["width"] > 200
        assert box(svg)["height"] > 100
        texts = [text.text_content() for text in svg.locator("text").all() if text.is_visible()]
        assert {chart["title"], chart["x_label"], chart["y_label"], *plots.revisions} <= set(texts)
        assert svg.locator(".role-mark path, .role-mark text").count() >= len(plots.revisions)
    check_sizes(tab, plots, width)


def test_the_confusion_matrices_show_the_numbers_of_each_revision(browser: Browser, plots: Plots) -> None:
    tab = sized(browser, plots, 1280)
    cells = tab.locator("#confusion .mark-text.role-mark text").all_text_contents()
    assert len(plots.reviews) == 4 * len(plots.revisions)
    assert sorted(re.sub(r"\D", "", text) for text in cells) == sorted(plots.reviews)


def check_sizes(tab: Page, plots: Plots, width: int) -> None:
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    charts = [box(tab.locator(f"#{name}")) for name in plots.charts]
    for a, b in combinations(charts, 2):
        beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        assert beside or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
    for svg in tab.locator("svg").all():
        outer = box(svg)
        for text in svg.locator("text").all():
            inner = box(text)
            assert inner["x"] >= outer["x"] - 1
            assert inner["y"] >= outer["y"] - 1
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
            assert inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1
    letters = tab.evaluate(
        """[...document.querySelectorAll("svg text")].map(text => {
        const { a, b } = text.getScreenCTM()
        return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b) })"""
    )
    assert min(letters) >= 10


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_there_are_no_accessibility_violations(browser: Browser, plots: Plots, scheme: str, width: int) -> None:
    tab = sized(browser, plots, width, color_scheme=scheme)
    assert (tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 23)") == (scheme == "dark")
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    assert tab.locator("h1").count() == 1
    names = tab.locator("[role=graphics-document]").evaluate_all("all => all.map(one => one.ariaLabel)")
    assert names == [chart["title"] for chart in plots.charts.values()]


def test_the_text_of_a_chart_has_the_pages_colour(browser: Browser, plots: Plots) -> None:
    tab = sized(browser, plots, 1280, color_scheme="dark")
    ink = tab.evaluate("getComputedStyle(document.body).color")
    for text in tab.locator("svg text:not(.role-mark text)").all():
        assert text.evaluate("element => getComputedStyle(element).fill") == ink
