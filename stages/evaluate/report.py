"""The report: one page that holds all of a run, opens from disk, and asks no one for anything."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from stages.evaluate.charts import NEGATIVE, POSITIVE, Chart
from stages.evaluate.examples import Example, TopWords

_LONGEST = 60
"""Characters shown of a word, or of a parameter's value."""
_FIRST = 60
"""Words of a review that are seen before it is unfolded."""
_HARMFUL = re.compile(
    # Controls, marks that turn the direction of text, other invisible ones, lone surrogates, tags. The joiners U+200C
    # and U+200D are part of words in several scripts, and stay.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_ACRONYMS = {"auc", "roc", "f1"}


@dataclass(frozen=True)
class Drawing:
    """A chart as the report shows it, and what it says to those who do not see it."""

    title: str
    description: str
    """What it shows, and what is to be seen in it: a sentence or two."""
    svg: str
    """As Matplotlib saves it, with `svg.fonttype: none` and a transparent background. What is black takes the page's
    colour for text. Five inches wide with letters of 11 points, it can be read on a phone."""
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    """The same in numbers, a cell for each of `header`."""


def drawing(chart: Chart, svg: str) -> Drawing:
    """A chart with its picture and its table."""
    header = [_label(name) for name in chart.table.columns]
    return Drawing(chart.title, chart.description, svg, header, chart.table.to_numpy(object).tolist())


def render(
    metrics: Mapping[str, Any],
    params: Mapping[str, Mapping[str, Any]],
    charts: Sequence[Drawing],
    top_words: TopWords,
    examples: Mapping[str, Sequence[Example]],
) -> str:
    """The page: the same text for the same input.

    Args:
        metrics: what is in metrics.json: at least `source`, and `test`, whose intervals are in `test_interval`.
        params: what is in params.yaml, by section.
        charts: in the order in which they are shown.
        top_words: the words with the largest effect.
        examples: example reviews, by what they are examples of.
    """
    apart = ("test", "test_interval")
    return _environment().get_template("report.html.jinja").render(
        source=metrics["source"],
        test=metrics["test"],
        intervals=metrics.get("test_interval", {}),
        provenance=[(name, _value(value)) for name, value in _flat(metrics) if name.partition(".")[0] not in apart],
        params={name: [(key, _plain(value)) for key, value in _flat(section)] for name, section in params.items()},
        charts=charts,
        top_words=top_words,
        largest=max((abs(word.log_odds) for word in [*top_words.positive, *top_words.negative]), default=1.0),
        examples=examples,
        first=_FIRST,
        colours={"positive": POSITIVE, "negative": NEGATIVE},
    )  # fmt: skip


def inline(svg: str, name: str, title: str, description: str) -> Markup:
    """Make an SVG file of Matplotlib's part of a page: as wide as its place, in the page's colour and letters.

    Args:
        svg: the file.
        name: goes before its ids, so that no two charts share one.
        title: what a screen reader calls it.
        description: what a screen reader says of it.
    """
    size, body = re.findall(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>(.*)</svg>', svg, re.DOTALL)[0]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", body).replace("#000000", "currentColor")
    return Markup(  # noqa: S704 - drawn here, not by those who wrote the reviews
        f'<svg {size} role="img" aria-labelledby="{name}-title {name}-description" fill="currentColor" '
        f'stroke-linejoin="round"><title id="{name}-title">{escape(_harmless(title))}</title>'
        f'<desc id="{name}-description">{escape(_harmless(description))}</desc>{body}</svg>'
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: _harmless(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "short": _short, "value": _value, "signed": _signed, "chance": _chance, "label": _label, "inline": inline,
    }  # fmt: skip
    return environment


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings, each with its path: ("train.seed", 1)."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _harmless(text: str) -> str:
    """Replace what would not be seen, or would change how what follows is seen."""
    return _HARMFUL.sub("\ufffd", text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _plain(value: Any) -> str:
    """A string as it is, all else as JSON and YAML have it."""
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _value(value: Any) -> str:
    """A number as people write it, with a comma between thousands or to four decimals; all else plain."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _plain(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _signed(log_odds: float) -> str:
    return f"{log_odds:+.2f}".replace("-", "\u2212")


def _chance(probability: float) -> str:
    """A probability, never rounded to certainty."""
    if probability > 0.9999:
        return ">\u00a00.9999"
    return f"{probability:.4f}" if probability >= 0.0001 else "<\u00a00.0001"


def _label(name: str) -> str:
    """`roc_auc` as people write it: ROC AUC."""
    words = [word.upper() if word in _ACRONYMS else word for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])
