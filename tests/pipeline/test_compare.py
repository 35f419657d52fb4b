"""`make compare` with the real dvc: what the page says of two runs, in a browser too."""

import math
import re
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser

from checks.compare import mcnemar
from tests.conftest import quietly_opened
from tests.pipeline.conftest import Clone


def predictions(clone: Clone) -> pd.DataFrame:
    found: pd.DataFrame = pq.read_table(clone.folder / "results" / "predictions.parquet").to_pandas()
    return found


@pytest.fixture(scope="module")
def two_runs(reproduced: Clone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, pd.DataFrame]:
    """A clone whose last run differs from the committed one, and the committed predictions."""
    clone = reproduced.copied(tmp_path_factory.mktemp("compare") / "multihot")
    before = predictions(clone)
    clone.set({"train": {"epochs": 1, "seed": 5}})
    clone.repro()
    return clone, before


@pytest.fixture(scope="module")
def page(two_runs: tuple[Clone, pd.DataFrame]) -> Path:
    clone, _ = two_runs
    clone.make("compare", "REV=HEAD")
    return clone.folder / "dvc_plots" / "compare.html"


def test_the_page_says_what_follows_from_the_two_files_of_predictions(two_runs: tuple[Clone, pd.DataFrame]) -> None:
    clone, before = two_runs
    after = predictions(clone)
    printed = clone.make("compare", "REV=HEAD").stdout
    text = clone.read("dvc_plots/compare.html")
    right = [(run["probability"] > 0.5) == (run["label"] == 1) for run in (before, after)]
    fixed, broken = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    changed = fixed + broken
    assert changed > 5
    tail = sum(math.comb(changed, k) for k in range(max(fixed, broken), changed + 1)) / 2**changed
    assert f"{fixed} answers fixed, {broken} broken; McNemar's p-value {min(2 * tail, 1):.2g}:" in printed
    assert re.findall(r"(?:Positive|Negative): ([0-9.]+) → ([0-9.]+)", text)[0] in {
        (f"{old:.4f}", f"{new:.4f}") for old, new in zip(before["probability"], after["probability"], strict=True)
    }
    assert text.count("<article") == min(fixed, 10) + min(broken, 10)
    for key, old, new in (("epochs", 2, 1), ("seed", 1, 5)):
        assert f"train.<wbr>{key}<wbr></code></th><td><bdi>{old}</bdi></td><td><bdi>{new}</bdi></td>" in text
    for name in pd.read_csv(clone.folder / "results" / "slices.csv")["slice"]:
        assert name in text
    clone.make("compare", "REV=HEAD")
    assert clone.read("dvc_plots/compare.html") == text


def test_what_cannot_be_compared_is_said_in_a_line(clone: Clone) -> None:
    clone.set({"data": {"synthetic": {"seed": 2}}})
    clone.repro()
    assert "HEAD has other test reviews" in clone.make("compare", "REV=HEAD").stdout
    shutil.rmtree(clone.folder / ".dvc" / "cache")
    for revision, message in (("HEAD", "predictions.parquet of HEAD is not in DVC's cache"), ("none", "none")):
        done = clone.make("compare", f"REV={revision}", check=False)
        assert done.returncode != 0
        first, *make = done.stderr.splitlines()
        assert first.startswith("error: ")
        assert message in first
        assert len(make) == 1
    shutil.rmtree(clone.folder / "results")
    assert "results/metrics.json is missing" in clone.make("compare", "REV=HEAD", check=False).stderr


def test_without_changed_answers_there_is_no_difference() -> None:
    right = np.array([True, False, True])
    assert mcnemar(right, right) == (0, 0, 1.0)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_and_nothing_sticks_out(
    browser: Browser, page: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    tab = quietly_opened(browser, page, viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
