"""Figures of several rounds as Markdown."""

import statistics
from collections.abc import Mapping, Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, its first column to the left and all others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(values: Sequence[float], ours: Sequence[float], form: str = ".3g") -> str:
    """The median, the smallest and the largest value, and the median as a ratio to ours."""
    if not values:
        return ""
    low, high = min(values), max(values)
    ratio = statistics.median(values) / statistics.median(ours)
    spread = f" ({low:{form}}-{high:{form}})" if len(values) > 1 else ""
    return f"{statistics.median(values):{form}}{spread}, {ratio:.2f}x"


def medians(rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """The median over the rounds of each row's figures."""
    return {
        row: {name: statistics.median(each[row][name] for each in rounds) for name in figures}
        for row, figures in rounds[0].items()
    }
