"""Tables with figures worked out by hand."""

from benchmarks import table


def test_a_cell_has_median_spread_and_ratio() -> None:
    assert table.cell([9.0, 1.0, 3.0], [2.0, 1.5, 1.0]) == "3 (1-9), 2.00x"
    assert table.cell([0.88], [0.8], ".4f") == "0.8800, 1.10x"
    assert table.cell([], [1.0]) == ""


def test_medians_are_taken_figure_by_figure() -> None:
    rounds = [
        {"train": {"read": 1.0, "write": 5.0}},
        {"train": {"read": 3.0, "write": 4.0}},
        {"train": {"read": 2.0, "write": 9.0}},
    ]
    assert table.medians(rounds) == {"train": {"read": 2.0, "write": 5.0}}


def test_markdown() -> None:
    assert table.markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
