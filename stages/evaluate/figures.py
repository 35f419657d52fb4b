"""Draw charts as PNG for results/figures, and as SVG for the report."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from stages.evaluate.charts import Chart

_STYLE: Any = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 11,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "multihot",  # the same ids on each run
}


def png(chart: Chart, source: str) -> bytes:
    """Return a chart as PNG, 1200 x 750 pixels, with the name of the source in its title."""
    content = io.BytesIO()
    with _drawn(chart, 8, 5) as figure:
        figure.suptitle(f"{chart.title} ({source})", size="large")
        figure.savefig(content, dpi=150)
    return content.getvalue()


def svg(chart: Chart) -> str:
    """Return a chart as SVG without a title or a background, small enough for a phone."""
    content = io.StringIO()
    with _drawn(chart, 5, 3.4) as figure:
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return content.getvalue()


@contextmanager
def _drawn(chart: Chart, width: float, height: float) -> Iterator[Figure]:
    with rc_context(_STYLE), warnings.catch_warnings():
        # Matplotlib's font lacks some scripts. The PNG shows boxes for them, the report shows the names of slices.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width, height))
        axes = figure.subplots()
        inch_wide, inch_high = 1 / width, 1 / height
        figure.subplots_adjust(chart.left * inch_wide, 0.6 * inch_high, 1 - 0.2 * inch_wide, 1 - 0.4 * inch_high)
        chart.draw(axes)
        yield figure
