"""Render the page on which you try the model: one self-contained page that computes in the browser, without a network.

The page holds the model and does what `stages.predict` does. `try_page.js` is its program.
"""

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from markupsafe import Markup
from numpy.typing import NDArray

from stages.contracts.features import Columns, feature_parts, read_part
from stages.contracts.model import KerasFile, read_model
from stages.encoding import tokenizers, vocabulary
from stages.evaluate import report
from stages.inference import layers
from stages.inference.network import Network

LARGEST = 10**7
"""The size of the largest page in bytes, about."""
_CODE = 10**5
"""The size of a page without the columns in bytes, about."""
EXAMPLES = {
    "Mixed": "Great acting and a beautiful score, but the plot is boring and the ending is a disappointment.",
    "A gem": "What a wonderful film! The story is moving, the actors are excellent, and I loved every minute.",
    "A waste": "The worst thing I have seen this year. A dull script, awful dialogue, not one scene worth watching.",
    "Not bad": "Not bad at all. I expected nothing, and it turned out to be surprisingly funny.",
    "Irony": "Oh, brilliant. Two hours of people staring at walls, and I paid for it. A perfect cure for insomnia.",
}
"""Example reviews by a short name. They were written for this page."""


def render(network: Network, columns: Columns, source: str, threshold: float = 0.5) -> str:
    """Return the page as HTML. Equal arguments give equal text.

    Args:
        network: the model in models/, as `stages.inference.network.read` returns it.
        columns: the columns of the model.
        source: the name of the source of the reviews.
        threshold: a review is positive if its probability is above it.
    """
    kept = _most_important(network, columns.words)
    words = [columns.words[column] for column in kept]
    kernel, scales = _Rounded(network.kernel[kept]), None
    if network.deviation is not None:
        scales = _Rounded(1 / np.broadcast_to(network.deviation, network.columns)[kept, None])
    model = {
        "words": words,
        "special": len(vocabulary.SPECIAL),
        "start": vocabulary.START,
        "unknown": vocabulary.UNKNOWN,
        "tokenizer": columns.tokenizer,
        "characters": _characters() if columns.tokenizer == "unicode" else None,
        "scales": None if scales is None else scales.packed(),
        "unit_length": network.unit_length,
        "kernel": kernel.packed(),
        "layers": list(_layers(read_model(columns))),
        "threshold": threshold,
    }
    with np.errstate(divide="ignore"):
        deviation = None if scales is None else np.float32(1) / scales.restored()[:, 0]
    small = replace(network, kernel=kernel.restored(), deviation=deviation)
    script = f"\n{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}"
    return report.template("try_page.html.jinja").render(
        # In JSON, "<" occurs only in strings. So no word ends the element, and no line end is lost.
        model=Markup(json.dumps(model, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")),  # noqa: S704
        script=Markup(script),  # noqa: S704 - comes with the project
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        source=report.source_name(source),
        threshold=threshold,
        examples=EXAMPLES,
        colours=report.COLOURS,
        phrases=any(" " in word for word in words),
        columns=f"{len(columns.words):,}",
        left_out=f"{left_out:,}" if (left_out := len(columns.words) - len(kept)) else "",
        off=f"{math.ceil(1e5 * _largest_difference(network, small, kept, columns.words)) / 1e5:.5f}",
    )


def _most_important(network: Network, words: Sequence[str]) -> NDArray[np.int64]:
    """Return the columns, in order, that a page of `LARGEST` bytes has room for: special ones, then the most important.

    In the last step of docs/experiments.md, 254,871 of 974,413 columns fit. On the test split, the probabilities of the
    page are then within 0.23 of the model's, and 0.008 away on average. If the columns were chosen by their effect
    alone, they would be within 0.52, and 0.026 away.
    """
    numbers = 2 * (network.kernel.shape[1] + (network.deviation is not None))
    sizes = np.array([len(word.encode()) + len('"",') for word in words]) + numbers * 4 / 3  # in base64
    if sizes.sum() <= LARGEST - _CODE:
        return np.arange(len(words))
    importance = _importance(network)
    importance[: len(vocabulary.SPECIAL)] = np.inf
    order = np.argsort(-importance, kind="stable")
    return np.sort(order[np.cumsum(sizes[order]) <= LARGEST - _CODE])


def _importance(network: Network) -> NDArray[np.float64]:
    """Return how much each column matters, (columns,): its effect times one more than the number of reviews with it.

    The effect is how much the column changes the log-odds of a typical review, up or down. The typical review is the
    mean of half of the first part of the test split. The other half has no part in the choice, so that
    `_largest_difference` also measures reviews that the choice has not seen.
    """
    matrix = read_part(feature_parts("test")[0]).matrix
    rows = network.normalize(matrix[: -(-matrix.shape[0] // 2)])
    squares = network.row_squares(rows).mean(keepdims=True)
    typical = (rows @ network.kernel).astype(np.float64).mean(axis=0, keepdims=True)
    before = network.log_odds(network.scale(typical, squares))
    effects = np.empty(network.columns)
    for some in network.chunks(network.columns):
        added = network.kernel[some].astype(np.float64)
        if network.deviation is not None:
            added /= np.broadcast_to(network.deviation, network.columns)[some, None]
        effects[some] = np.abs(network.log_odds(network.scale(typical + added, squares.repeat(len(added)))) - before)
    return effects * (1 + np.bincount(rows.indices, minlength=network.columns))


def _largest_difference(network: Network, small: Network, kept: NDArray[np.int64], words: Sequence[str]) -> float:
    """Return how far a probability of the page is from the model's on the test split, at most.

    To the page, a word whose column is left out is an unknown word. An n-gram whose column is left out has no effect.

    Args:
        network: the model.
        small: the network that the page computes.
        kept: the columns of the model that are those of `small`.
        words: the word or phrase of each column of the model.
    """
    place = np.array([-1 if " " in word else vocabulary.UNKNOWN for word in words])
    place[kept] = np.arange(len(kept))
    some = np.flatnonzero(place >= 0)
    selection = scipy.sparse.csr_matrix((np.ones(len(some), np.float32), (some, place[some])), (len(words), len(kept)))
    largest = 0.0
    for path in feature_parts("test"):
        matrix = read_part(path).matrix
        rows = matrix @ selection
        rows.data[:] = 1
        largest = max(largest, float(np.abs(network.predict(matrix) - small.predict(rows)).max(initial=0)))
    return largest


class _Rounded:
    """A matrix in 16 bits a number: for each of its columns, whole multiples of a step."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._steps = (np.maximum(np.abs(values).max(axis=0), 1e-30) / np.iinfo(np.int16).max).astype(np.float32)
        self._multiples = np.rint(values / self._steps).astype(np.int16)

    def restored(self) -> NDArray[np.float32]:
        """Return the rounded matrix."""
        restored: NDArray[np.float32] = self._multiples * self._steps
        return restored

    def packed(self) -> dict[str, str]:
        """Return the rounded matrix for `try_page.js`."""
        return {"multiples": _packed(self._multiples), "steps": _packed(self._steps)}


def _packed(values: NDArray[Any]) -> str:
    """Return numbers as base64 of their bytes, least significant byte first. Floats have 32 bits."""
    narrow = values if values.dtype == np.int16 else values.astype(np.float32)
    return base64.b64encode(narrow.astype(narrow.dtype.newbyteorder("<")).tobytes()).decode()


def _layers(file: KerasFile) -> Iterator[dict[str, Any]]:
    """Yield what the page does after the first product, as steps that `try_page.js` knows by their kind.

    A layer that it does not know is a step with the name of the layer's class. The page then says that it cannot
    compute the network.
    """
    configs = file.config["config"]["layers"]
    first = next(place for place, layer in enumerate(configs) if layer["class_name"] == "Dense")
    units = 0
    for place, layer in enumerate(configs[first:]):
        kind, config, weights = layer["class_name"], layer["config"], file.weights.get(layer["config"]["name"], [])
        match kind:
            case "Dense":
                units = weights[0].shape[1]
                if place > 0:
                    yield {"kind": "multiply", "kernel": _packed(weights[0])}
                if config["use_bias"]:
                    yield _affine(np.ones(units), weights[1])
                yield {"kind": str(config["activation"])}
            case "Activation":
                yield {"kind": str(config["activation"])}
            case "BatchNormalization" | "Normalization":
                # Both are a line for each unit. Two points of it give its slope and its intercept.
                try:
                    (step,) = layers.steps(layer, weights)
                except layers.NotInNumPy:
                    yield {"kind": kind}
                else:
                    at_zero, at_one = step(np.stack([np.zeros(units), np.ones(units)]))
                    yield _affine(at_one - at_zero, at_zero)
            case "UnitNormalization":
                yield {"kind": "unit_length"}
            case _ if kind not in layers.ONLY_IN_TRAINING:
                yield {"kind": kind}


def _affine(slope: NDArray[Any], intercept: NDArray[Any]) -> dict[str, Any]:
    return {"kind": "affine", "slope": _packed(slope), "intercept": _packed(intercept)}


def _characters() -> dict[str, Any]:
    """Return what the page needs for the tokenizer `unicode`.

    These are regular expressions for HTML, the characters of each kind as ranges within the brackets of a regular
    expression, and the characters that `str.casefold` changes. A browser may have another version of Unicode than
    Python, and has no case folding.
    """
    letters = list(tokenizers.characters("L", "N"))
    return {
        "hidden": tokenizers.HIDDEN.removeprefix("(?s)"),
        "tag": tokenizers.TAG,
        "reference": tokenizers.REFERENCE,
        "unspaced": tokenizers.ranges(filter(tokenizers.is_unspaced, letters)),
        "spaced": tokenizers.ranges(letter for letter in letters if not tokenizers.is_unspaced(letter)),
        "marks": tokenizers.ranges(tokenizers.characters("M")),
        "folded": {c: c.casefold() for c in tokenizers.characters("L", "M", "N", "S") if c.casefold() != c},
    }
