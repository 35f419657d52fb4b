"""Compare the results in the working tree with those of a revision, on a page that needs no network.

Reads   results/ and params.yaml, here and in the revision (from git and DVC's cache), and the words in data/raw
Writes  dvc_plots/compare.html

The page shows whether the two networks differ (McNemar's test on the answers for the same test reviews), the metrics
and their differences with intervals, the reviews that changed sides, the slices, and the parameters that differ.
`make compare` runs it.
"""

import io
import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import dvc.api
import numpy as np
import pandas as pd
from dvc.exceptions import DvcException
from dvc.scm import SCMError
from numpy.typing import NDArray
from ruamel.yaml import YAML
from scipy.stats import binomtest

from stages import console
from stages.console import UserError, one_line
from stages.contracts.reviews import read_some_reviews, read_vocabulary
from stages.evaluate import bootstrap, report
from stages.evaluate.charts import by_confidence
from stages.evaluate.predictions import Predictions
from stages.evaluate.results import METRICS, PREDICTIONS, SLICES, write_page
from stages.evaluate.slices import FEW
from stages.inference import losses
from stages.params import PARAMS

PAGE = Path("dvc_plots/compare.html")
SHOWN = 10
"""The number of reviews shown that are right only now, and of those that were right only before."""
LEVEL = 0.05
"""Two networks differ if the p-value of McNemar's test is below it."""
_ROUNDED = 2e-6
"""How far a metric of metrics.json, which has six decimals, may be from that of the predictions."""


@dataclass(frozen=True)
class Run:
    """The results of a run."""

    metrics: dict[str, Any]
    params: dict[str, Any]
    """By dotted key."""
    predictions: pd.DataFrame
    """`label` and `probability` of each test row, and where it came from if it is one of your own reviews."""
    slices: pd.DataFrame | None
    """By name. None if DVC's cache does not hold them, or the run is older than they are."""

    @property
    def answers(self) -> Predictions:
        """The predictions. Their loss is binary cross-entropy, because a run does not keep the loss of each row."""
        labels, probabilities = (self.predictions[name].to_numpy() for name in ("label", "probability"))
        loss = losses.per_row("binary_crossentropy", labels, probabilities)
        return Predictions(labels, probabilities, loss, self.metrics.get("threshold", 0.5))


class McNemar(NamedTuple):
    """McNemar's exact test of two networks that answered for the same reviews."""

    fixed: int
    """Answers that only the second network has right."""
    broken: int
    """Answers that only the first network has right."""
    p_value: float
    """The probability of such an imbalance, or a larger one, if a changed answer were right or wrong by chance."""


def mcnemar(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> McNemar:
    """Test whether two networks differ, given which answers of each are right, (rows,).

    The exact form is a binomial test on the answers that changed (McNemar: Note on the sampling error of the difference
    between correlated proportions or percentages, 1947).
    """
    fixed, broken = int((after & ~before).sum()), int((before & ~after).sum())
    p_value = float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return McNemar(fixed, broken, p_value)


def same_reviews(before: Run, after: Run) -> bool:
    """Return whether two runs have the same test reviews: the same labels in the same order, and the same places.

    The words of the reviews may differ, for example between two tokenizers.
    """
    return before.predictions.drop(columns="probability").equals(after.predictions.drop(columns="probability"))


def read(revision: str | None) -> Run:
    """Read the results of a revision, or those in the working tree.

    Raises:
        UserError: a result is missing in the working tree, in the revision, or in DVC's cache.
    """
    return Run(
        json.loads(_content(METRICS, revision)),
        dict(report.flat(YAML(typ="safe").load(_content(PARAMS, revision)))),
        pd.read_parquet(io.BytesIO(_content(PREDICTIONS, revision))),
        _slices(revision),
    )


class _NotCachedError(UserError):
    """A file of a revision is neither in git nor in DVC's cache."""


def _content(path: Path, revision: str | None) -> bytes:
    try:
        if revision is None:
            return path.read_bytes()
        content: bytes = dvc.api.read(str(path), rev=revision, mode="rb")
        return content
    except FileNotFoundError:
        raise UserError(f"{path} is missing: build it with `dvc repro`") from None
    except SCMError as error:
        raise UserError(f"{one_line(error)}; expected a commit, branch, tag or experiment") from None
    except DvcException:
        raise _NotCachedError(
            f"{path} of {revision} is not in DVC's cache: run `dvc repro` in a checkout of {revision}, or "
            "`dvc fetch --all-commits` if there is a remote"
        ) from None


def _slices(revision: str | None) -> pd.DataFrame | None:
    try:
        content = _content(SLICES, revision)
    except _NotCachedError:
        console.say(f"{SLICES} of {revision} is not in DVC's cache: the page has no slices")
        return None
    return pd.read_csv(io.BytesIO(content)).set_index("slice")


def metric_rows(before: Run, after: Run) -> list[dict[str, Any]]:
    """Return a row per metric: its values, their intervals, and the difference where both runs have it.

    `range` is the interval of the difference, if the two runs have the same test reviews.
    """
    ranges = difference_intervals(before, after) if same_reviews(before, after) else {}
    rows = []
    for name in dict.fromkeys([*after.metrics["test"], *before.metrics["test"]]):
        values = [run.metrics["test"].get(name) for run in (before, after)]
        intervals = [run.metrics.get("test_interval", {}).get(name) for run in (before, after)]
        difference = None if None in values else values[1] - values[0]
        rows.append(
            {
                "name": name,
                "values": values,
                "intervals": intervals,
                "difference": difference,
                "range": ranges.get(name),
            }
        )
    return rows


def difference_intervals(before: Run, after: Run) -> dict[str, bootstrap.Interval]:
    """Return the interval of the difference of each metric that the predictions give in both runs.

    Of the losses, this holds for binary cross-entropy alone.
    """
    both, known = [], []
    for run in (before, after):
        sums = bootstrap.Sums(run.answers)
        both.append(sums)
        metrics, stored = sums.measure(np.ones(len(run.predictions))), run.metrics["test"]
        known.append({name for name in metrics if abs(metrics[name] - stored.get(name, np.nan)) < _ROUNDED})
    return {name: ends for name, ends in bootstrap.differences(*both).items() if name in set.intersection(*known)}


def slice_rows(before: pd.DataFrame, after: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the slices that both runs have, those that lost most first.

    Slices with few rows come after the others, and those by confidence, which hold other rows in each run, come last.
    `apart` says whether the two intervals of the accuracy do not overlap, `enough` whether both runs have enough rows.
    """
    both = before.add_suffix("_before").join(after.add_suffix("_after"), how="inner").reset_index()
    both["difference"] = both["accuracy_after"] - both["accuracy_before"]
    both["apart"] = (both["low_after"] > both["high_before"]) | (both["high_after"] < both["low_before"])
    both["enough"] = both[["rows_before", "rows_after"]].min(axis="columns") >= FEW
    both["by_confidence"] = by_confidence(both)
    both = both.sort_values(["by_confidence", "enough", "difference"], ascending=[True, False, True], kind="stable")
    return [{str(name): value for name, value in row.items()} for row in both.to_dict("records")]


def changed_reviews(before: Run, after: Run) -> dict[str, list[dict[str, Any]]]:
    """Return the reviews whose answer is right in one run only, those that moved furthest first, with their words."""
    old, new = before.answers, after.answers
    probabilities = [answers.probabilities.astype(np.float64) for answers in (old, new)]
    furthest = np.argsort(-np.abs(probabilities[1] - probabilities[0]), kind="stable")
    words = read_vocabulary()
    found: dict[str, list[dict[str, Any]]] = {}
    for title, which in (
        ("Wrong before, right now", ~old.right & new.right),
        ("Right before, wrong now", old.right & ~new.right),
    ):
        rows = furthest[which[furthest]][:SHOWN]
        reviews = read_some_reviews("test", rows.tolist())
        texts = np.split(reviews.tokens, reviews.offsets[1:-1]) if len(rows) else []
        found[title] = [
            {
                "row": int(row),
                "positive": bool(label),
                "before": float(probabilities[0][row]),
                "after": float(probabilities[1][row]),
                "words": [words[token - 1] for token in tokens.tolist()],
            }
            for row, label, tokens in zip(rows, reviews.labels, texts, strict=True)
        ]
    return found


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the key of each parameter that differs, and its two values. `absent` stands for a missing one."""
    keys = dict.fromkeys([*after, *before])
    every = [(key, before.get(key, "absent"), after.get(key, "absent")) for key in keys]
    return [(key, old, new) for key, old, new in every if old != new]


def render(revision: str, before: Run, after: Run, test: McNemar | None) -> str:
    """Return the page as HTML. Equal arguments give equal text. There is no test if the two have other reviews."""
    slices = None if before.slices is None or after.slices is None else (before.slices, after.slices)
    return report.template("compare.html.jinja", Path(__file__).parent).render(
        revision=revision,
        sources=[run.metrics["source"] for run in (before, after)],
        metrics=metric_rows(before, after),
        test=test,
        level=LEVEL,
        rows=len(after.predictions),
        reviews=changed_reviews(before, after) if test else {},
        slices=slices and slice_rows(*slices),
        alone=sorted(slices[0].index.symmetric_difference(slices[1].index)) if slices else [],
        params=differing(before.params, after.params),
        colours=report.COLOURS,
        first=report.FIRST,
    )


def main(revision: str) -> None:
    """Write the page, and print the result of the test."""
    after, before = read(None), read(revision)
    test = mcnemar(before.answers.right, after.answers.right) if same_reviews(before, after) else None
    write_page(PAGE, render(revision, before, after, test))
    if test:
        verdict = "a difference" if test.p_value < LEVEL else "the difference may be chance"
        console.say(
            f"since {revision}: {test.fixed:,} answers are right only now, {test.broken:,} were right only before; "
            f"McNemar's p-value {test.p_value:.2g}: {verdict}"
        )
        console.say("This compares two trained networks. Two that differ only in train.seed may differ, too.")
    else:
        console.say(f"{revision} has different test reviews: its answers are not compared one by one")
    console.say(f"-> {PAGE.resolve().as_uri()}")


def arguments(parser: ArgumentParser) -> None:
    """Add the argument."""
    parser.add_argument("revision", nargs="?", default="HEAD~1", help="a commit, branch, tag or experiment of DVC")


if __name__ == "__main__":
    console.run(main, __doc__, arguments)
