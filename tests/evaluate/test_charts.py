"""Charts: tables that hold what scikit-learn computes, drawn the same each time."""

import io

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn import metrics as sklearn_metrics

from stages.artifacts import Epoch
from stages.evaluate import charts, figures
from tests.evaluate.test_metrics import example

HISTORY = [Epoch(number, 0.6 / number, 0.7 + number / 50, 0.5 + abs(number - 3) / 20, 0.8) for number in range(1, 9)]


def test_thinned_curves_keep_their_look() -> None:
    labels, probabilities = example(20_000)
    roc, precision_recall, *_ = charts.of_test(labels, probabilities)
    for chart, area in (
        (roc, sklearn_metrics.roc_auc_score(labels, probabilities)),
        (precision_recall, sklearn_metrics.average_precision_score(labels, probabilities)),
    ):
        assert len(chart.rows) <= charts.POINTS
        x, y = np.array(chart.rows, float).T
        assert np.all(np.diff(x) >= 0)
        assert np.trapezoid(y, x) == pytest.approx(area, abs=0.003)
        assert np.hypot(np.diff(x), np.diff(y)).max() < 0.06  # no gap that shows
    assert [tuple(roc.rows[0]), tuple(roc.rows[-1])] == [(0.0, 0.0), (1.0, 1.0)]


def counts(chart: charts.Chart) -> list[int]:
    """The column `rows` of a table."""
    return [int(row[chart.columns.index("rows")]) for row in chart.rows]


def test_counts_add_up_to_all_rows() -> None:
    labels, probabilities = example(3000)
    _, _, calibration, histogram, confusion = charts.of_test(labels, probabilities)
    for chart in (calibration, histogram, confusion):
        assert sum(counts(chart)) == 3000
    cells = dict(zip([row[:2] for row in confusion.rows], counts(confusion), strict=True))
    assert cells["positive", "negative"] == np.sum((labels == 1) & (probabilities <= 0.5))
    classes = [row[1] for row in histogram.rows]
    negative = [rows for name, rows in zip(classes, counts(histogram), strict=True) if name == "negative"]
    assert sum(negative) == np.sum(labels == 0)


def test_descriptions_say_what_is_in_the_tables() -> None:
    labels, probabilities = example(3000)
    for chart in [*charts.of_run(HISTORY), *charts.of_test(labels, probabilities)]:
        assert chart.description.endswith(".")
    assert "lowest at epoch 3" in charts.of_run(HISTORY)[0].description


def test_pictures_are_the_same_each_time_and_of_one_size() -> None:
    labels, probabilities = example(3000)
    for chart in [*charts.of_run(HISTORY), *charts.of_test(labels, probabilities)]:
        content = figures.png(chart, "a test")
        assert content == figures.png(chart, "a test")
        picture = imread(io.BytesIO(content))
        assert picture.shape[:2] == (750, 1200)
        assert picture[:, :, :3].std() > 0.05  # there is something on it
        assert figures.svg(chart) == figures.svg(chart)
