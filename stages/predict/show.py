"""An answer as text: for people, or as JSON."""

import json
import re

from stages.encoding.tokenizers import Tokenizer
from stages.inference.attribution import LEAST
from stages.predict.model import Answer

_WIDTH = 72
"""Characters that are shown of a text, where it is not explained."""
_STRONGEST = 5
"""Words shown for positive, and as many for negative."""
_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal might take for a command, or turns the direction of what follows."""


def as_json(answer: Answer) -> str:
    """An object with row, text, probability, label and, if explained, contributions to six decimals; all in ASCII."""
    values = {"row": answer.row, "text": answer.text, "probability": answer.probability, "label": answer.label}
    if answer.contributions is not None:
        values["contributions"] = {word: round(value, 6) for word, value in answer.contributions.items()}
    return json.dumps(values)


def for_people(answer: Answer, tokenizer: Tokenizer, *, colour: bool) -> str:
    """Label, probability and the start of the text in a line.

    If explained: the whole text, and a line each of the words that speak most for positive and for negative.

    Args:
        answer: what is to be shown.
        tokenizer: what cuts its text into words.
        colour: whether the words shown as reasons are green and red in the text.
    """
    head = f"{answer.label}  {answer.probability:.4f}  "
    if answer.contributions is None:
        return head + _CONTROL.sub(" ", _short(answer.text))
    text = _CONTROL.sub(" ", " ".join(answer.text.split()))
    ranked = list(answer.contributions.items())
    speaking = {
        "for": [(word, value) for word, value in ranked[:_STRONGEST] if value >= LEAST],
        "against": [(word, value) for word, value in ranked[: -_STRONGEST - 1 : -1] if value <= -LEAST],
    }
    if colour:
        text = _coloured(text, dict(speaking["for"] + speaking["against"]), tokenizer)
    lines = [
        f"  {side:8}{', '.join(f'{word} {value:+.2f}' for word, value in words) or 'no word'}"
        for side, words in speaking.items()
    ]
    return "\n".join([head + text, *lines])


def _short(text: str) -> str:
    """The text's first characters, white space being a space: half as many words are sure to have them."""
    line = " ".join(text.split(maxsplit=_WIDTH // 2))
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."


def _coloured(text: str, values: dict[str, float], tokenizer: Tokenizer) -> str:
    """The text with what its spaces separate coloured by the strongest word in it that has a value."""

    def mark(match: re.Match[str]) -> str:
        value = max((values.get(word, 0.0) for word in tokenizer(match[0])), key=abs, default=0.0)
        return f"{_GREEN if value > 0 else _RED}{match[0]}{_PLAIN}" if value else match[0]

    return re.sub("[^ ]+", mark, text)
