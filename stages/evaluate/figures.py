"""Charts as pictures: PNG for slides, SVG for the report."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from stages.evaluate.charts import Chart

_STYLE: Any = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 11,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "multihot",  # ids are the same each time
}


def png(chart: Chart, source: str, path: Path) -> None:
    """Write a chart of the corpus `source` as a PNG, 1200 x 750 pixels."""
    with _drawn(chart) as figure:
        figure.suptitle(f"{chart.title} ({source})", size="large")
        figure.savefig(path, dpi=150)


def svg(chart: Chart) -> str:
    """A chart as SVG, without a title or a background."""
    content = io.StringIO()
    with _drawn(chart) as figure:
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return content.getvalue()


@contextmanager
def _drawn(chart: Chart) -> Iterator[Figure]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(8, 5))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.1, right=0.97, bottom=0.12, top=0.91)
        chart.draw(axes)
        yield figure
