"""Render the report: one self-contained page about a run, which needs no network."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from stages.encoding import TokenizerName
from stages.evaluate import figures
from stages.evaluate.charts import NEGATIVE, POSITIVE, Chart
from stages.evaluate.examples import Example, TopWords

_LONGEST = 60
"""Number of characters shown of a word or of a parameter's value."""
FIRST = 60
"""Number of words shown of a folded review."""
_HARMFUL = re.compile(
    # Control, direction and other invisible characters, lone surrogates, and tags. The joiners U+200C and U+200D are
    # allowed, because words in several scripts contain them.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
COLOURS = {"positive": POSITIVE, "negative": NEGATIVE}
_ACRONYMS = {"auc", "roc", "f1"}


def render(
    metrics: Mapping[str, Any],
    params: Mapping[str, Mapping[str, Any]],
    tokenizer: TokenizerName,
    charts: Sequence[Chart],
    slices: Chart,
    top_words: TopWords,
    examples: Mapping[str, Sequence[Example]],
) -> str:
    """Return the page as HTML. Equal arguments give equal text.

    Args:
        metrics: the content of metrics.json: at least `source`, `threshold` and `test`. `test_interval` holds
            the intervals.
        params: the content of params.yaml, by section.
        tokenizer: the tokenizer of the reviews. With `keras`, the tag <br /> becomes the
            word br, which the page shows as a line break.
        charts: the charts, in the order of the page.
        slices: the chart of the slices. The page shows its table, too.
        top_words: the words with the largest effect.
        examples: example reviews, by kind.
    """
    apart = ("test", "test_interval")
    return template("report.html.jinja").render(
        source=source_name(metrics["source"]),
        tags=tokenizer == "keras",
        threshold=metrics["threshold"],
        test=metrics["test"],
        intervals=metrics.get("test_interval", {}),
        provenance=[(name, _value(value)) for name, value in flat(metrics) if name.partition(".")[0] not in apart],
        params={name: [(key, _plain(value)) for key, value in flat(section)] for name, section in params.items()},
        charts=charts,
        slices=slices,
        top_words=top_words,
        largest=max((abs(word.log_odds) for word in [*top_words.positive, *top_words.negative]), default=1.0),
        examples=examples,
        first=FIRST,
        colours=COLOURS,
    )  # fmt: skip


def _inline(chart: Chart, name: str) -> Markup:
    """Draw a chart as an SVG element of a page, with the width of its place, and with the page's font and text colour.

    Its ids start with `name`, so that two charts have no id in common. Title and description are for screen readers.
    """
    size, body = re.findall(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>(.*)</svg>', figures.svg(chart), re.DOTALL)[0]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", body).replace("#000000", "currentColor")
    return Markup(  # noqa: S704 - the SVG contains no text from reviews
        f'<svg {size} role="img" aria-labelledby="{name}-title {name}-description" fill="currentColor" '
        f'stroke-linejoin="round"><title id="{name}-title">{escape(_harmless(chart.title))}</title>'
        f'<desc id="{name}-description">{escape(_harmless(chart.description))}</desc>{body}</svg>'
    )


def template(name: str, *folders: Path) -> Template:
    """Return the template of a page, from beside this module or another folder.

    It escapes all values and replaces invisible characters in them. It can include style.css.jinja, the pages' style.
    """
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: _harmless(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "short": _short, "value": _value, "signed": _signed, "chance": _chance, "label": _label, "inline": _inline,
        "breakable": _breakable, "plain": _plain,
    }  # fmt: skip
    return environment.get_template(name)


def source_name(source: str) -> str:
    """Return the name of a source within a sentence."""
    return "your own files" if source == "files" else source


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with their paths, such as ("train.seed", 1)."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _harmless(text: str) -> str:
    """Replace characters that are invisible or change how the text after them is shown."""
    return _HARMFUL.sub("\ufffd", text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _breakable(name: str) -> Markup:
    """Return the name of a parameter, with places where a narrow page may break it."""
    return Markup("").join(escape(part) + Markup("<wbr>") for part in re.split(r"(?<=[._])", _harmless(_short(name))))


def _plain(value: Any) -> str:
    """Return a string as it is, and any other value as JSON."""
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _value(value: Any) -> str:
    """Return an integer with thousands separators, a float with four decimals, and any other value plain."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _plain(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _signed(log_odds: float) -> str:
    return f"{log_odds:+.2f}".replace("-", "\u2212")


def _chance(probability: float) -> str:
    """Return a probability with four decimals, but never as 0 or 1."""
    if probability > 0.9999:
        return ">\u00a00.9999"
    return f"{probability:.4f}" if probability >= 0.0001 else "<\u00a00.0001"


def _label(name: str) -> str:
    """Return a name for people, such as ROC AUC for `roc_auc`."""
    words = [word.upper() if word in _ACRONYMS else word for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])
