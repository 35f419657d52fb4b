"""Format a prediction: for people, or as JSON."""

import json
import re

from stages.encoding.tokenizers import Tokenizer
from stages.inference.attribution import LEAST, at_words
from stages.predict.model import Answer

_WIDTH = 72
"""The number of characters shown of a text that is not explained."""
_STRONGEST = 5
"""The number of words shown for each class."""
_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal may interpret as a command, or that change the direction of text."""


def as_json(answer: Answer) -> str:
    """Return an ASCII object with row, text, probability, label and, if explained, contributions with six decimals."""
    values = {"row": answer.row, "text": answer.text, "probability": answer.probability, "label": answer.label}
    if answer.contributions is not None:
        values["contributions"] = {word: round(value, 6) for word, value in answer.contributions.items()}
    return json.dumps(values)


def for_people(answer: Answer, tokenizer: Tokenizer, *, colour: bool) -> str:
    """Return a line with the label, the probability and the start of the text.

    With contributions, it holds the whole text, and two more lines list the words with the largest effects.

    Args:
        answer: the prediction.
        tokenizer: splits the text into words.
        colour: whether to colour these words green and red in the text.
    """
    head = f"{answer.label}  {answer.probability:.4f}  "
    if answer.contributions is None:
        return head + _CONTROL.sub(" ", short(answer.text))
    text = _CONTROL.sub(" ", " ".join(answer.text.split()))
    ranked = list(answer.contributions.items())
    effects = {
        "for": [(word, value) for word, value in ranked[:_STRONGEST] if value >= LEAST],
        "against": [(word, value) for word, value in ranked[: -_STRONGEST - 1 : -1] if value <= -LEAST],
    }
    if colour:
        text = _coloured(text, dict(effects["for"] + effects["against"]), tokenizer)
    lines = [
        f"  {side:8}{', '.join(f'{word} {value:+.2f}' for word, value in words) or 'no word'}"
        for side, words in effects.items()
    ]
    return "\n".join([head + text, *lines])


def short(text: str) -> str:
    """Return the start of a text on one line, as it is shown. A short text stays as it is.

    Half as many words as characters are always enough.
    """
    line = " ".join(text.split(maxsplit=_WIDTH // 2))
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."


def _coloured(text: str, values: dict[str, float], tokenizer: Tokenizer) -> str:
    """Return the text with each part between spaces in the colour of its strongest word or n-gram."""
    parts = text.split(" ")
    words = [(number, word) for number, part in enumerate(parts) for word in tokenizer(part)]
    strongest = [0.0] * len(parts)
    for (number, _), value in zip(words, at_words([word for _, word in words], values), strict=True):
        strongest[number] = max(strongest[number], value, key=abs)
    return " ".join(
        f"{_GREEN if value > 0 else _RED}{part}{_PLAIN}" if value else part
        for part, value in zip(parts, strongest, strict=True)
    )
