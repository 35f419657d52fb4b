"""`make compare` with the real dvc: what the page says of two runs, in a browser too."""

import math
import re
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from numpy.typing import NDArray
from playwright.sync_api import Browser

from checks import compare
from checks.compare import Run, mcnemar, metric_rows
from stages.console import UserError
from tests.conftest import quietly_opened
from tests.evaluate.test_metrics import by_scikit_learn, example
from tests.pipeline.conftest import Clone


@pytest.fixture(scope="module")
def two_runs(changed: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose last run differs from the committed one."""
    return changed.copied(tmp_path_factory.mktemp("compare") / "multihot")


@pytest.fixture(scope="module")
def page(two_runs: Clone) -> Path:
    two_runs.make("compare", "REV=HEAD")
    return two_runs.folder / "dvc_plots" / "compare.html"


def test_the_page_says_what_follows_from_the_two_files_of_predictions(
    two_runs: Clone, reproduced: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = two_runs
    before, after = (each.table("results/predictions.parquet") for each in (reproduced, clone))
    printed = clone.make("compare", "REV=HEAD").stdout
    text = clone.read("dvc_plots/compare.html")
    right = [(run["probability"] > 0.5) == (run["label"] == 1) for run in (before, after)]
    fixed, broken = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    changed = fixed + broken
    assert changed > 5
    tail = sum(math.comb(changed, k) for k in range(max(fixed, broken), changed + 1)) / 2**changed
    assert f"{fixed} answers are right only now, {broken} were right only before;" in printed
    assert f"McNemar's p-value {min(2 * tail, 1):.2g}:" in printed
    assert re.findall(r"(?:Positive|Negative): ([0-9.]+) → ([0-9.]+)", text)[0] in {
        (f"{old:.4f}", f"{new:.4f}") for old, new in zip(before["probability"], after["probability"], strict=True)
    }
    assert text.count("<article") == min(fixed, 10) + min(broken, 10)
    verdicts = re.findall(
        r'<tr><th scope="row">([^<]+)</th>(?:<td class="number">.*?</td>){2}<td class="number">(\S+?)<br>'
        r'<span class="quiet">(\S+) to (\S+)</span><br>(\w+)</td>',
        text,
    )
    names = clone.json("results/metrics.json")["test"]
    assert len(verdicts) == len(names)  # the loss too, because it is the cross-entropy
    for metric, *numbers, verdict in verdicts:
        difference, low, high = (float(number.replace("\u2212", "-")) for number in numbers)
        assert verdict == ("none" if low <= 0 <= high else "difference")
        if metric == "Binary accuracy":
            error = np.std(right[1].astype(int) - right[0].astype(int)) / np.sqrt(len(after))
            assert difference == pytest.approx((fixed - broken) / len(after), abs=1e-4)
            assert [low, high] == pytest.approx([difference - 1.96 * error, difference + 1.96 * error], abs=error / 3)
    for key, old, new in (("epochs", 2, 1), ("seed", 1, 5)):
        assert f"train.<wbr>{key}<wbr></code></th><td><bdi>{old}</bdi></td><td><bdi>{new}</bdi></td>" in text
    for name in pd.read_csv(clone.folder / "results" / "slices.csv")["slice"]:
        assert name in text
    monkeypatch.chdir(clone.folder)
    compare.main("HEAD")
    assert clone.read("dvc_plots/compare.html") == text


def test_what_cannot_be_compared_is_said_in_a_line(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone.folder)
    predictions = clone.folder / "results" / "predictions.parquet"
    others = pd.read_parquet(predictions).assign(label=lambda each: 1 - each["label"])
    predictions.unlink()  # it may be a link into the cache
    others.to_parquet(predictions)
    compare.main("HEAD")
    assert "HEAD has different test reviews" in capsys.readouterr().out
    shutil.rmtree(clone.folder / ".dvc" / "cache")
    for revision, message in (("HEAD", "predictions.parquet of HEAD is not in DVC's cache"), ("none", "none")):
        with pytest.raises(UserError, match=rf"^[^\n]*{message}[^\n]*$"):
            compare.main(revision)
    shutil.rmtree(clone.folder / "results")
    done = clone.make("compare", "REV=HEAD", check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("error: results/metrics.json is missing")


def test_without_changed_answers_there_is_no_difference() -> None:
    right = np.array([True, False, True])
    assert mcnemar(right, right) == (0, 0, 1.0)


def run(labels: NDArray[np.float32], probabilities: NDArray[np.float32], **other: float) -> Run:
    metrics = {"test": by_scikit_learn(labels, probabilities) | other}
    return Run(metrics, {}, pd.DataFrame({"label": labels, "probability": probabilities}), None)


def test_a_metric_that_does_not_follow_from_the_predictions_gets_no_verdict() -> None:
    labels, probabilities = example(200)
    cubed = probabilities**3
    ranges = {row["name"]: row["range"] for row in metric_rows(run(labels, probabilities), run(labels, cubed))}
    assert all(ranges.values())
    assert ranges["loss"].low > 0
    assert ranges["roc_auc"] == (0, 0)  # the same order
    other_loss = run(labels, cubed, loss=0.2)
    ranges = {row["name"]: row["range"] for row in metric_rows(run(labels, probabilities), other_loss)}
    assert [name for name, ends in ranges.items() if not ends] == ["loss"]
    other_reviews = run(labels[::-1], cubed[::-1])
    assert not any(row["range"] for row in metric_rows(run(labels, probabilities), other_reviews))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_and_nothing_sticks_out(
    browser: Browser, page: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    tab = quietly_opened(browser, page, viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
