"""Tables with figures worked out by hand."""

import pandas as pd

from benchmarks import table


def test_a_cell_has_median_range_and_ratio() -> None:
    assert table.cell([9.0, 1.0, 3.0], [2.0, 1.5, 1.0]) == "3 (1-9), 2.00x"
    assert table.cell([0.88], [0.8], ".4f") == "0.8800, 1.10x"
    assert table.cell([], [1.0]) == ""


def test_figures_stay_as_they_are_written() -> None:
    lines = table.markdown(pd.DataFrame({"a": ["0.10"], "b": ["1,000"]})).splitlines()
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[::2]] == [
        ["a", "b"],
        ["0.10", "1,000"],
    ]
