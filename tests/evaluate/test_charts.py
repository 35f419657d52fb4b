"""Charts: tables that hold what scikit-learn computes, drawn the same each time."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from sklearn import metrics as sklearn_metrics

from stages.evaluate import charts, figures
from tests.evaluate.test_metrics import example, predictions

EPOCHS = np.arange(1, 9)
HISTORY = pd.DataFrame(
    {
        "epoch": EPOCHS,
        "loss": 0.6 / EPOCHS,
        "binary_accuracy": 0.7 + EPOCHS / 50,
        "val_loss": 0.5 + abs(EPOCHS - 3) / 20,
        "val_binary_accuracy": 0.8,
    }
)
SLICES = pd.DataFrame(
    {
        "slice": ["words: 11 to 25", "file: $映$.csv"],
        "rows": [1200, 7],
        "accuracy": [0.7, 0.9],
        "low": [0.68, 0.5],
        "high": [0.72, 0.98],
        "enough_rows": [1, 0],
    }
)


def test_thinned_curves_keep_their_area_and_have_no_gaps() -> None:
    labels, probabilities = example(20_000)
    roc, precision_recall, *_ = charts.of_test(predictions(labels, probabilities))
    for chart, area in (
        (roc, sklearn_metrics.roc_auc_score(labels, probabilities)),
        (precision_recall, sklearn_metrics.average_precision_score(labels, probabilities)),
    ):
        assert len(chart.table) <= charts.POINTS + 1
        x, y = chart.table.to_numpy()[:, :2].T
        assert np.all(np.diff(x) >= 0)
        assert np.trapezoid(y, x) == pytest.approx(area, abs=0.003)
        assert np.hypot(np.diff(x), np.diff(y)).max() < 0.06  # no gap that shows
    assert roc.table.iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("threshold", [0.001, 0.3, 0.5, 0.9999])
def test_the_curve_marks_precision_and_recall_at_the_threshold(threshold: float) -> None:
    labels, probabilities = example(3000)
    table = charts.of_test(predictions(labels, probabilities, threshold))[1].table
    (point,) = table[table["at_threshold"] == 1][["recall", "precision"]].to_numpy().tolist()
    positive = probabilities > threshold
    expected = [sklearn_metrics.recall_score(labels, positive), sklearn_metrics.precision_score(labels, positive)]
    assert point == pytest.approx(expected)


def test_counts_agree_with_scikit_learn_and_add_up_to_all_rows() -> None:
    labels, probabilities = example(3000)
    _, _, calibration, histogram, confusion = charts.of_test(predictions(labels, probabilities))
    cells = confusion.table.pivot(index="actual", columns="predicted", values="rows").to_numpy()
    np.testing.assert_array_equal(cells, sklearn_metrics.confusion_matrix(labels, probabilities > 0.5))
    assert histogram.table.groupby("class")["rows"].sum().tolist() == np.bincount(labels.astype(int)).tolist()
    assert calibration.table["rows"].sum() == 3000


def test_descriptions_say_what_is_in_the_tables() -> None:
    labels, probabilities = example(3000)
    roc, precision_recall, calibration, histogram, confusion = charts.of_test(predictions(labels, probabilities))
    false, true, _ = sklearn_metrics.roc_curve(labels, probabilities)
    assert f"the true positive rate is {np.interp(0.1, false, true):.3f}." in roc.description
    recall = sklearn_metrics.recall_score(labels, probabilities > 0.5)
    assert f"At the threshold of 0.5, the recall is {recall:.3f} " in precision_recall.description
    differences = calibration.table.assign(
        difference=lambda table: abs(table["mean_probability"] - table["positive_share"])
    )
    worst = differences.sort_values("difference").iloc[-1]
    assert (
        f"largest in the bin with the mean probability {worst['mean_probability']:.2f}: "
        f"{worst['positive_share']:.2f} of its {worst['rows']:,.0f} reviews are positive."
    ) in calibration.description
    unsure = np.sum((probabilities > 0.25) & (probabilities <= 0.75))
    assert f"{unsure:,} of 3,000 reviews are between 0.25 and 0.75." in histogram.description
    negative, positive = sklearn_metrics.confusion_matrix(labels, probabilities > 0.5).tolist()
    assert f"{negative[0]:,} are predicted negative and {negative[1]:,} positive" in confusion.description
    assert f"{positive[1]:,} are predicted positive and {positive[0]:,} negative" in confusion.description
    chart = charts.of_slices(SLICES, 0.8)
    assert "lowest for words: 11 to 25: 0.700 of 1,200 reviews" in chart.description
    assert "file: $映$.csv (7)" in figures.svg(chart)
    assert chart.title == "Accuracy by slice: all 2"
    confident = SLICES.head(1).assign(slice="confidence: 0.5 to 0.6", accuracy=0.55)
    chart = charts.of_slices(pd.concat([*[SLICES] * 8, confident], ignore_index=True), 0.8)
    assert chart.title == "Accuracy by slice: the 12 worst of 16"
    assert "confidence" not in figures.svg(chart)
    assert "confidence: 0.5 to 0.6" in chart.table["slice"].tolist()
    assert "lowest in epoch 3" in charts.of_run(HISTORY)[0].description


def test_all_slices_are_in_view_and_intervals_of_few_rows_do_not_widen_it() -> None:
    axes = Figure().subplots()
    charts.of_slices(SLICES, 0.8).draw(axes)
    low, high = axes.get_xlim()
    assert 0.5 < low < 0.68
    assert 0.9 < high < 0.98


def test_pictures_are_reproducible_and_of_one_size() -> None:
    run = charts.of_run(HISTORY)
    assert figures.png(run[0], "a test") == figures.png(run[0], "a test")
    for chart in [*run, *charts.of_test(predictions(*example(3000))), charts.of_slices(SLICES, 0.8)]:
        picture = imread(io.BytesIO(figures.png(chart, "a test")))
        assert picture.shape[:2] == (750, 1200)
        assert picture[:, :, :3].std() > 0.05  # there is something on it
        assert figures.svg(chart) == figures.svg(chart)
