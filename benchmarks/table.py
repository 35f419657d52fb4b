"""Figures of several rounds as Markdown tables."""

import statistics
from collections.abc import Sequence

import pandas as pd


def markdown(table: pd.DataFrame) -> str:
    """Return a table of strings as Markdown: the first column aligned left, the others right."""
    align = ("left", *("right" for _ in table.columns[1:]))
    return table.to_markdown(index=False, disable_numparse=True, colalign=align) + "\n"


def spread(values: Sequence[float], form: str) -> str:
    """Return the median and, in brackets, the range of the rounds."""
    median = f"{statistics.median(values):{form}}"
    return f"{median} ({min(values):{form}}-{max(values):{form}})" if len(values) > 1 else median


def cell(values: Sequence[float], ours: Sequence[float], form: str = ".3g") -> str:
    """Return `spread`, and the median as a ratio to our median. Without values, the cell is empty."""
    if not values:
        return ""
    return f"{spread(values, form)}, {statistics.median(values) / statistics.median(ours):.2f}x"
