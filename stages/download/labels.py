"""Labels of your own reviews: which rows are positive, negative, or left out."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.console import UserError, one_line, say
from stages.download.tokens import Tokens
from stages.params import Files
from stages.tables.rows import normalize_label

CLASSES = ("negative", "positive")
LEFT_OUT = -1
"""Stands for the label of a row that is neither positive nor negative."""
_UNDERSTOOD = {"0": 0, "neg": 0, "negative": 0, "false": 0, "1": 1, "pos": 1, "positive": 1, "true": 1}


def take_labels(settings: Files, units: Sequence[Tokens]) -> tuple[NDArray[np.int8], dict[str, dict[str, int]]]:
    """Find out which rows are positive, negative, or to be left out, and print what each label was taken for.

    Returns:
        1, 0 or `LEFT_OUT` for each row; and by what a label was taken for, how many rows each label has.
    """
    counts: dict[str, int] = {}
    for unit in units:
        for label, rows in zip(unit.labels, np.bincount(unit.codes).tolist(), strict=True):
            counts[label] = counts.get(label, 0) + rows
    meaning = _meanings(settings, counts)
    taken = {
        name: {label: rows for label, rows in counts.items() if meaning[label] == value}
        for value, name in ((1, "positive"), (0, "negative"), (LEFT_OUT, "left out"))
    }
    say("labels: " + "; ".join(f"{name}: {_listed(labels)}" for name, labels in taken.items() if labels))
    by_code = [np.array([meaning[label] for label in unit.labels], np.int8) for unit in units]
    return np.concatenate([values[unit.codes] for values, unit in zip(by_code, units, strict=True)]), taken


def _meanings(settings: Files, counts: Mapping[str, int]) -> dict[str, int]:
    """Return 1, 0 or `LEFT_OUT` for each label, given how many rows each has."""
    shown = _listed(counts)
    given = {0: _spelled(settings.negative), 1: _spelled(settings.positive)}
    if both := given[0] & given[1]:
        raise UserError(f"data.files.positive and data.files.negative in params.yaml share {one_line(sorted(both))}")
    for value, name in enumerate(CLASSES):
        others = counts.keys() - given[1 - value]
        if not given[value] and given[1 - value]:
            if len(others) != 1:
                raise UserError(
                    f"data.files.{CLASSES[1 - value]} alone needs one other label; the labels are {shown}.\n"
                    f"Set data.files.{name} in params.yaml to those that mean {name}: rows with others are left out"
                )
            given[value] = set(others)
    if not (given[0] or given[1]):
        if not counts.keys() <= _UNDERSTOOD.keys():
            raise UserError(
                f"the labels are {shown}; expected two, of {', '.join(_UNDERSTOOD)}.\n"
                "Set data.files.positive and data.files.negative in params.yaml: rows with others are left out"
            )
        return {label: _UNDERSTOOD[label] for label in counts}
    return {label: 1 if label in given[1] else 0 if label in given[0] else LEFT_OUT for label in counts}


def _spelled(labels: object) -> set[str]:
    """Return labels of params.yaml as `Row` has them."""
    each = labels if isinstance(labels, list) else [] if labels is None else [labels]
    return {normalize_label(label) for label in each}


def _listed(counts: Mapping[str, int]) -> str:
    """Return labels with their numbers of rows, the most frequent first."""
    ranked = sorted(counts, key=lambda label: -counts[label])
    shown = [f"{one_line(label)} ({counts[label]:,} rows)" for label in ranked[:20]]
    return ", ".join(shown + [f"and {len(ranked) - 20:,} more"] * (len(ranked) > 20)) or "none"


def require_both(labels: NDArray[np.int8], where: str) -> None:
    """Raise a UserError if one of the classes is missing among labels, (rows,). `where` says whose labels they are."""
    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        raise UserError(
            f"there is no {CLASSES[counts.argmin()]} review among {len(labels):,} {where}; expected both classes.\n"
            "Are data.files.positive and data.files.negative in params.yaml right, and are there enough reviews?"
        )
