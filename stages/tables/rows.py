"""A row: the text of a review, its label, and where it is from."""

import re
from collections.abc import Iterator
from typing import IO, AnyStr, BinaryIO, NamedTuple, cast

from stages.console import UserError, one_line
from stages.encoding.tokenizers import LONGEST

BLANK = "its text is blank, missing, or not a string"
"""The problem of a row without a text."""
_BYTES = 4 * LONGEST + 16
"""Bytes of a line that are read, more than the longest review can have."""
EXTRA = object()
"""Stands for the values of a row with more values than there are columns."""


class Row(NamedTuple):
    """A review in a file."""

    file: str
    """The path of the file, or another name of the source, such as `standard input`."""
    text: str
    """The text on one line: line ends are replaced by spaces. Empty if there is a problem."""
    label: str = ""
    """The label as `normalize_label` returns it."""
    number: int = 0
    """From 1, without the header and blank lines. 0 for a text that is no row."""
    problem: str = ""
    """Why the row cannot be used, such as `it has no label`. Empty for a good row."""
    slices: tuple[str, ...] = ()
    """The values of the columns in `Layout.slices`. A missing value is an empty string."""

    @property
    def where(self) -> str:
        """The place, for people: `reviews.csv, row 7`."""
        return f"{self.file}, row {self.number:,}" if self.number else self.file


def check(file: str, number: int, text: object, *values: object) -> Row:
    """Return a row with these values, or with its problem. `values` are the label and the slices, if they are read."""
    problem, label = "", "".join(map(normalize_label, values[:1]))
    if text is EXTRA:
        problem = "it has more values than there are columns; a text that holds a separator needs quotation marks"
    elif not isinstance(text, str) or not text.strip():
        problem = BLANK
    elif len(text) > LONGEST + 2:
        problem = f"its text has more than {LONGEST:,} characters"
    elif not text.isascii() and re.search("[\ud800-\udfff]", text):
        problem = "its text holds half a character, which is no Unicode"
    elif values and not label:
        problem = "it has no label"
    elif "\n" in text or "\r" in text:
        text = re.sub("\r\n?|\n", " ", text.rstrip("\r\n"))
    slices = tuple("" if value is None or value != value else str(value) for value in values[1:])
    return Row(file, "" if problem else cast(str, text), label, number, problem, slices)


def normalize_label(label: object) -> str:
    """Return a label as labels are compared: 1, 1.0, "1" and " 1.0" are the same. None and NaN give an empty string.

    >>> normalize_label(True), normalize_label("Positive "), normalize_label(None)
    ('true', 'positive', '')
    """
    return "" if label is None or label != label else str(label).strip().casefold().removesuffix(".0")[:100]


def lines(name: str, file: BinaryIO) -> Iterator[Row]:
    """Yield a row for each line of a file in UTF-8, as soon as it is there. `name` is the file's name in errors.

    Raises:
        UserError: the file is not UTF-8, or empty.
    """
    number = 0
    for number, line in enumerate(starts_of_lines(file, _BYTES), 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "strict" if len(line) < _BYTES else "replace")
        except UnicodeDecodeError as error:
            raise not_decoded(f"{name}, line {number}", error, "the encoding") from None
        yield check(name, number, text)
    if not number:
        raise UserError(f"{name} is empty; expected a review a line")


def starts_of_lines(file: IO[AnyStr], most: int) -> Iterator[AnyStr]:
    """Yield at most so many characters of each line of a text file, or bytes of a binary file."""
    while line := file.readline(most):
        yield line
        while len(line) == most and line[-1:] not in ("\n", b"\n"):
            line = file.readline(most)


def not_decoded(file: object, error: UnicodeError, setting: str) -> UserError:
    """Return the error for a file in another encoding. `setting` is where the user sets the encoding."""
    near = error.object[max(0, error.start - 20) : error.start] if isinstance(error, UnicodeDecodeError) else b""
    return UserError(
        f"{file} cannot be decoded ({one_line(error)}; after {near.decode(errors='replace')!r}).\n"
        f"Save it in UTF-8, or set {setting} to what it is in, such as cp1252"
    )
