"""Where the text and the label are in a file: which columns are wanted, and how a table separates its columns."""

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from stages.console import UserError, one_line
from stages.encoding.tokenizers import LONGEST

_USUAL = {"text": ("text", "review", "sentence"), "label": ("label", "sentiment")}
_DIALECTS = [(",", csv.QUOTE_MINIMAL), ("\t", csv.QUOTE_NONE), *((mark, csv.QUOTE_MINIMAL) for mark in "\t;|")]
"""Separator and quoting, the likeliest first. In many TSV files a quotation mark is part of the text."""


@dataclass(frozen=True)
class Layout:
    """What to read of a file. The first five fields are parameters: `data.files` in params.yaml says what they mean."""

    text: str | None = None
    label: str | None = None
    columns: Sequence[str] | None = None
    encoding: str = "utf-8"
    slices: Sequence[str] = ()
    parts: Sequence[str] = ("text", "label")
    """Whether to read text and label, or the text alone."""
    setting: str = "data.files.{} in params.yaml"
    """Where the user sets a field, for errors. `{}` stands for the field's name."""

    def find(self, names: Sequence[str], part: str) -> list[int]:
        """Return the positions of the columns that may be the `text` or the `label`."""
        wanted = getattr(self, part)
        if wanted is not None:
            return [position for position, name in enumerate(names) if name == wanted]
        return [position for position, name in enumerate(names) if name.strip().casefold() in _USUAL[part]]

    def choose(self, file: object, names: Sequence[str]) -> list[int]:
        """Return the positions of the wanted columns: text, label, slices.

        Raises:
            UserError: one of them is missing, or there are several.
        """
        found = [self.find(names, part) for part in self.parts]
        shown, setting = one_line(", ".join(map(repr, names))), self.setting.format
        if not all(found) and len(names) == 1 and re.search(r"[^\w ]", names[0]):
            raise UserError(f"{file} has one column, {shown}; expected a comma, tab, semicolon or | between columns")
        for part, positions in zip(self.parts, found, strict=True):
            if not positions:
                raise UserError(
                    f"{file} has no column for the {part} (such as {_USUAL[part][0]}) in its header: {shown}.\n"
                    f"Set {setting(part)} to one of these or, if this is no header, {setting('columns')} to the "
                    "names of all columns in their order, such as [text, label]"
                )
            if len(positions) > 1:
                raise UserError(
                    f"{file} has {len(positions)} columns that may be the {part}, among {shown}.\n"
                    f"Set {setting(part)} to one, or rename those that have the same name"
                )
        for name in self.slices:
            if (count := names.count(name)) != 1:
                called = f"{count} columns" if count else "no column"
                raise UserError(f"{file} has {called} {name!r}, which {setting('slices')} names: {shown}")
        return [*chain.from_iterable(found), *map(names.index, self.slices)]

    def refuse_slices(self, file: object) -> None:
        """Raise an error if `slices` names columns of a file that has only texts and labels."""
        if self.slices:
            raise UserError(f"{file} has no columns; {self.setting.format('slices')} names {self.slices[0]!r}")

    def dialect(self, head: str) -> tuple[list[str], str, Any]:
        """Return the names of a table's columns, its separator and its quoting, as its first lines show them.

        The best separator gives the wanted columns and, among such, as many values as columns in most rows.
        """
        csv.field_size_limit(LONGEST + 2)  # for all readers of this process
        found = []
        for separator, quoting in _DIALECTS:
            rows: list[list[str]] = []
            with suppress(csv.Error):  # the last row may be cut; other errors are raised when the table is read
                options: Any = {"delimiter": separator, "quoting": quoting, "skipinitialspace": True, "strict": True}
                lines = islice(io.StringIO(head, newline=""), 100)
                rows.extend(row for row in csv.reader(lines, **options) if any(row))
            names = list(self.columns or (rows.pop(0) if rows else [""]))
            is_known = all(self.find(names, part) for part in self.parts)
            alike = sum(len(row) == len(names) for row in rows) / max(len(rows), 1) if is_known or len(names) > 1 else 0
            found.append(((is_known, alike, len(names)), (names, separator, quoting)))
        return max(found, key=lambda each: each[0])[1]
