"""The charts. Each has a table, a description in words, and a function that draws it.

DVC plots the table (from results/plots or results/history.csv). The figures and the report draw the chart. So all three
show the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from stages.contracts.model import best_epoch
from stages.evaluate.predictions import Predictions

POINTS = 300
"""The largest number of points in a curve."""
CALIBRATION_BINS = 10
_HISTOGRAM_BINS = 20
_SLICES = 12
"""The largest number of slices in a chart, so that their names stay readable."""
CONFIDENCE = "confidence"
"""The name of the slices by confidence."""
_CLASSES = ("negative", "positive")
POSITIVE, NEGATIVE, GREY = "#3b82c4", "#c9652c", "#7f858c"
"""Each colour has a contrast of at least 3:1 to white and to the dark background of the report. Blue and orange are
also distinct for people with red-green colour blindness."""


@dataclass(frozen=True)
class Chart:
    """A chart."""

    name: str
    """The name of its files, without the suffix."""
    title: str
    description: str
    """What the chart shows, in one or two sentences, for people who cannot see it."""
    table: pd.DataFrame
    """The numbers that the chart shows."""
    draw: Callable[[Axes], None]
    left: float = 0.8
    """The width of the margin with the labels of the y axis, in inches."""


def of_run(history: pd.DataFrame) -> list[Chart]:
    """Return the charts of the hold-out run: loss and accuracy by epoch."""
    return [_epochs(history, "loss", "Loss"), _epochs(history, "binary_accuracy", "Binary accuracy")]


def of_test(predictions: Predictions) -> list[Chart]:
    """Return the charts of the final network on the test split, which has at least one row of each label."""
    return [chart(predictions) for chart in (_roc, _precision_recall, _calibration, _histogram, _confusion)]


def of_slices(slices: pd.DataFrame, accuracy: float) -> Chart:
    """Return the chart of the worst slices.

    Args:
        slices: what `stages.evaluate.slices.table` returns. The chart leaves out the slices by confidence.
        accuracy: the accuracy on the whole test split.
    """
    charted = slices[~by_confidence(slices)]
    shown = charted.head(_SLICES)
    which = f"the {len(shown)} worst of {len(charted)}" if len(shown) < len(charted) else f"all {len(charted)}"
    names = [f"{name[:28]} ({rows:,})" for name, rows in zip(shown["slice"], shown["rows"], strict=True)]
    # The interval of a slice with few rows may be so wide that the others could not be told apart: it is cut off.
    in_view = pd.concat([shown["accuracy"], *(shown[end][shown["enough_rows"] == 1] for end in ("low", "high"))])

    def draw(axes: Axes) -> None:
        axes.axvline(accuracy, color=GREY, linestyle=":")
        for enough, color in ((1, POSITIVE), (0, GREY)):
            some = shown[shown["enough_rows"] == enough]
            errors = [some["accuracy"] - some["low"], some["high"] - some["accuracy"]]
            axes.errorbar(some["accuracy"], some.index, xerr=errors, fmt="o", color=color)
        # A name may hold a dollar sign, which would otherwise start a formula.
        axes.set_yticks(shown.index, names, parse_math=False, fontsize=10)
        axes.set(xlabel="Accuracy (dotted: all reviews)", ylim=(len(shown) - 0.5, -0.5))
        axes.set_xlim(in_view.min() - 0.01, in_view.max() + 0.01)

    worst = shown.iloc[0]
    return Chart(
        "slices",
        f"Accuracy by slice: {which}",
        f"Accuracy of {which} slices of the test split, with 95 % intervals; the grey ones have few rows, and may be "
        f"cut off. It is lowest for {worst['slice']}: {worst['accuracy']:.3f} of {worst['rows']:,} reviews. On all "
        f"test reviews it is {accuracy:.3f}. Slices by confidence are only in the table.",
        slices.assign(enough_rows=slices["enough_rows"].map({1: "yes", 0: "no"})),
        draw,
        left=2.8,
    )


def by_confidence(slices: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which slices are by confidence, (slices,)."""
    return slices["slice"].str.startswith(f"{CONFIDENCE}: ").to_numpy(bool)


def calibration_bins(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return bins of equal width: (bins, 3) with the rows, their mean probability, and their share of positives.

    The mean and the share of an empty bin are NaN.
    """
    number = bin_of(probabilities, CALIBRATION_BINS)
    sums = [np.bincount(number, weights, CALIBRATION_BINS) for weights in (None, probabilities, labels)]
    with np.errstate(invalid="ignore"):
        return np.stack([sums[0], sums[1] / sums[0], sums[2] / sums[0]], axis=1)


def bin_of(probabilities: NDArray[np.float32], bins: int) -> NDArray[np.int64]:
    """Return the bin of each probability, from 0. A probability on an edge belongs to the lower bin."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities.astype(np.float64))


def _epochs(history: pd.DataFrame, quantity: str, name: str) -> Chart:
    table = history[["epoch", quantity, f"val_{quantity}"]].set_axis(
        ["epoch", "training", "validation"], axis="columns"
    )
    numbers, training, validation = (table[name].tolist() for name in table)
    at_best = best_epoch(history)

    def draw(axes: Axes) -> None:
        axes.plot(numbers, training, "o", color=POSITIVE, label="training")
        axes.plot(numbers, validation, "-", color=POSITIVE, label="validation")
        axes.axvline(at_best, color=GREY, linestyle=":", label=f"best epoch: {at_best}")
        axes.set(xlabel="Epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()

    return Chart(
        quantity,
        f"{name} on training and validation rows",
        f"{name} by epoch of the hold-out run. On training rows it goes from {training[0]:.3f} to {training[-1]:.3f}, "
        f"on validation rows from {validation[0]:.3f} to {validation[-1]:.3f}. The validation loss is lowest in epoch "
        f"{at_best}.",
        table,
        draw,
    )


def _roc(predictions: Predictions) -> Chart:
    false, true, _ = roc_curve(predictions.labels, predictions.probabilities)
    kept = _thinned(false, true)

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="chance")
        axes.plot(false[kept], true[kept], "-", color=POSITIVE, label="test")
        axes.set(xlabel="False positive rate", ylabel="True positive rate", aspect="equal")
        axes.legend(loc="lower right")

    at_tenth = np.interp(0.1, false, true)
    return Chart(
        "roc",
        "ROC curve",
        f"True positive rate by false positive rate on the test split. At a false positive rate of 0.1, the true "
        f"positive rate is {at_tenth:.3f}.",
        pd.DataFrame({"false_positive_rate": false[kept], "true_positive_rate": true[kept]}),
        draw,
    )


def _precision_recall(predictions: Predictions) -> Chart:
    labels, threshold = predictions.labels, predictions.threshold
    precision, recall, thresholds = precision_recall_curve(labels, predictions.probabilities)
    # The point where all rows above the threshold are positive, and no others.
    chosen = len(thresholds) - np.searchsorted(thresholds, np.float32(threshold), side="right")
    precision, recall = precision[::-1], recall[::-1]
    kept = np.union1d(_thinned(recall, precision), [chosen])

    def draw(axes: Axes) -> None:
        axes.axhline(labels.mean(), color=GREY, linestyle=":", label="chance")
        axes.plot(recall[kept], precision[kept], "-", color=POSITIVE, label="test")
        axes.plot(recall[chosen], precision[chosen], "o", color=NEGATIVE, label=f"threshold: {threshold:.4g}")
        axes.set(xlabel="Recall", ylabel="Precision", ylim=(0, 1.02))
        axes.legend()

    at_nine_tenths = np.interp(0.9, recall, precision)
    return Chart(
        "precision_recall",
        "Precision and recall",
        f"Precision by recall on the test split. At a recall of 0.9, the precision is {at_nine_tenths:.3f}. At the "
        f"threshold of {threshold:.4g}, the recall is {recall[chosen]:.3f} and the precision {precision[chosen]:.3f}.",
        pd.DataFrame(
            {"recall": recall[kept], "precision": precision[kept], "at_threshold": (kept == chosen).astype(int)}
        ),
        draw,
    )


def _calibration(predictions: Predictions) -> Chart:
    bins = calibration_bins(predictions.labels, predictions.probabilities)
    rows, mean, share = bins[bins[:, 0] > 0].T

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="perfect")
        axes.plot(mean, share, "o-", color=POSITIVE, label="test")
        axes.set(xlabel="Mean predicted probability", ylabel="Share of positive reviews", aspect="equal")
        axes.legend(loc="upper left")

    worst = int(np.argmax(np.abs(mean - share)))
    return Chart(
        "calibration",
        "Calibration",
        f"Share of positive test reviews by predicted probability. The difference is largest in the bin with the mean "
        f"probability {mean[worst]:.2f}: {share[worst]:.2f} of its {int(rows[worst]):,} reviews are positive.",
        pd.DataFrame({"mean_probability": mean, "positive_share": share, "rows": rows.astype(int)}),
        draw,
    )


def _histogram(predictions: Predictions) -> Chart:
    number = bin_of(predictions.probabilities, _HISTOGRAM_BINS)
    counts = [np.bincount(number[predictions.labels == label], minlength=_HISTOGRAM_BINS) for label in (0, 1)]
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)

    def draw(axes: Axes) -> None:
        for count, name, color, line in zip(counts, _CLASSES, (NEGATIVE, POSITIVE), ("--", "-"), strict=True):
            axes.stairs(count, edges, color=color, linestyle=line, linewidth=1.8, label=f"{name} reviews")
        axes.set(xlabel="Predicted probability of positive", ylabel="Test reviews")
        axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.set_ylim(0, 1.2 * axes.dataLim.y1)  # room for the legend above the highest bar
        axes.legend(loc="upper center", ncols=2)

    unsure = sum(int(count[(edges[:-1] >= 0.25) & (edges[:-1] < 0.75)].sum()) for count in counts)
    return Chart(
        "histogram",
        "Probabilities by true class",
        f"Test reviews by predicted probability, for each true class. {unsure:,} of {len(predictions):,} reviews are "
        "between 0.25 and 0.75.",
        pd.concat(
            [
                pd.DataFrame({"probability": (edges[:-1] + edges[1:]) / 2, "class": name, "rows": count})
                for count, name in zip(counts, _CLASSES, strict=True)
            ]
        ),
        draw,
    )


def _confusion(predictions: Predictions) -> Chart:
    matrix = confusion_matrix(predictions.labels, predictions.positive, labels=[0, 1])

    def draw(axes: Axes) -> None:
        for (actual, predicted), rows in np.ndenumerate(matrix):
            shade = 0.1 + 0.5 * rows / matrix.max()
            axes.add_patch(Rectangle((predicted - 0.5, actual - 0.5), 1, 1, color=POSITIVE, alpha=shade, linewidth=0))
            axes.text(predicted, actual, f"{rows:,}", ha="center", va="center", size="x-large")
        axes.set(xlabel="Predicted", ylabel="Actual", xticks=(0, 1), yticks=(0, 1), xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        axes.set_xticklabels(_CLASSES)
        axes.set_yticklabels(_CLASSES, rotation=90, va="center")

    (right_negative, false_positive), (false_negative, right_positive) = matrix.tolist()
    return Chart(
        "confusion",
        "Confusion matrix",
        f"Of the negative test reviews, {right_negative:,} are predicted negative and {false_positive:,} positive. Of "
        f"the positive test reviews, {right_positive:,} are predicted positive and {false_negative:,} negative.",
        pd.DataFrame({"actual": np.repeat(_CLASSES, 2), "predicted": np.tile(_CLASSES, 2), "rows": matrix.ravel()}),
        draw,
    )


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of at most `POINTS` points, evenly spaced along the curve, with the first and the last."""
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    return np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(max=len(x) - 1))
