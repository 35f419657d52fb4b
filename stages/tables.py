"""Reading texts, a few at a time, from a table, whether CSV, JSON Lines or Parquet, or from plain lines."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from stages.console import UserError, one_line
from stages.encoding.tokenizers import LONGEST

_LONGEST_LINE = 16 * LONGEST
"""Bytes: room for the longest review, each character of it escaped or of four bytes, and for the other columns."""
_BATCH = 16
"""Rows of a Parquet file read at a time: as many fit into memory even where each is ten times the longest review."""
_EXAMPLE = '{"text": "...", "label": 1}'
_USUAL = {"text": ("text", "review", "sentence"), "label": ("label", "sentiment")}
_IN_PARAMS = {
    "file": "data.files in params.yaml",
    "text": "data.files.text in params.yaml",
    "label": "data.files.label in params.yaml",
}
_AS_OPTIONS = {"file": "--file", "text": "--column"}


class Row(NamedTuple):
    """A review in a file."""

    where: str
    """The file and the row, for errors: `reviews.csv, line 7`."""
    text: str
    """Not empty, `LONGEST` characters at most."""
    column: str = ""
    """The name of the label's column; none where no label was asked for."""
    label: object = None
    """As it is in the file; CSV has strings only."""


class _Wanted(NamedTuple):
    """What is to be read of a table, and how its user says so."""

    columns: dict[str, str | None]
    """Names of columns, as in `rows`, for text and label."""
    setting: dict[str, str]
    """For errors: what to correct when the file is not there, or has no such column."""


def rows(path: Path, text: str | None, label: str | None) -> Iterator[Row]:
    """Read a table's rows in their order, in memory that does not grow with the file.

    Args:
        path: .csv (commas, a header), .jsonl or .ndjson (an object a line), or .parquet; text in UTF-8.
        text: the name of the column that holds the text; None: the one called text, review or sentence, in any case.
        label: the same for the label, usually called label or sentiment.

    Raises:
        UserError: the file is missing, empty, damaged or of another kind; a column is missing or there is a choice of
            several; a text is empty, too long, or no text.
    """
    return _read(path, _READERS, _Wanted({"text": text, "label": label}, _IN_PARAMS))


def texts(path: Path, column: str | None) -> Iterator[Row]:
    """Read a file's texts, as `rows` does, but without labels; a .txt has one a line.

    Args:
        path: a table, or a .txt in UTF-8.
        column: the name of a table's column, or None, as in `rows`.

    Raises:
        UserError: as in `rows`.
    """
    return _read(path, {".txt": _plain, **_READERS}, _Wanted({"text": column}, _AS_OPTIONS))


def lines(name: str, file: BinaryIO) -> Iterator[Row]:
    """Read a text a line, in memory that does not grow with the file.

    Args:
        name: what errors call the file.
        file: UTF-8.

    Raises:
        UserError: a text is empty, too long, or not UTF-8; or there is none.
    """
    return _some(_plain_rows(name, file), f"{name} is empty; expected a review a line")


def _plain_rows(name: str, file: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(_lines(name, file), 1):
        where = f"{name}, line {number}"
        yield Row(where, checked(where, line.rstrip("\r\n")))


def _read(path: Path, readers: "dict[str, _Reader]", wanted: _Wanted) -> Iterator[Row]:
    read = readers.get(path.suffix.lower())
    if read is None:
        raise UserError(f"{path} is of no known kind; expected a name that ends in {', '.join(readers)}")
    if not path.is_file():
        raise UserError(f"{path} is not a file: put one there, or correct {wanted.setting['file']}")
    return _some(read(path, wanted), f"{path} is empty; expected a row for each review")


def _some(rows: Iterator[Row], empty: str) -> Iterator[Row]:
    """Yield the rows as they come, and raise a UserError with the text `empty` when none came."""
    row = None
    for row in rows:
        yield row
    if row is None:
        raise UserError(empty)


def _plain(path: Path, _: _Wanted) -> Iterator[Row]:
    with path.open("rb") as file:
        yield from _plain_rows(str(path), file)


def _csv(path: Path, wanted: _Wanted) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)  # the module's, for all readers: no other is in this process
    reader = csv.reader(_lines_of(path), strict=True)
    line = 1  # where the row starts, since quoted text may go over several
    try:
        header = next(filter(None, reader), None)
        if header is None:
            return
        columns = _choose(path, header, wanted)
        positions = [header.index(column) for column in columns.values()]
        line = reader.line_num + 1
        for values in reader:
            where, line = f"{path}, line {line}", reader.line_num + 1
            if not values:  # a blank line
                continue
            if len(values) != len(header):
                raise UserError(
                    f"{where} has {len(values)} values, expected {len(header)} as in the header; "
                    "a text with a comma in it needs quotation marks around it"
                )
            yield _row(where, columns, *(values[position] for position in positions))
    except csv.Error as error:
        raise UserError(
            f"{path}, line {line}: the row that starts here is not CSV ({error}); expected values with commas between "
            f'them, of {LONGEST:,} characters at most, those that hold commas or line ends in "...", a " in them as ""'
        ) from None


def _json_lines(path: Path, wanted: _Wanted) -> Iterator[Row]:
    columns: dict[str, str] = {}
    for number, line in enumerate(_lines_of(path), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            record = json.loads(line.rstrip())
        except RecursionError:
            raise UserError(f"{where} is nested too deeply; expected an object such as {_EXAMPLE}") from None
        except ValueError as error:
            cause = f"character {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
            raise UserError(f"{where} is not JSON ({cause}); expected an object such as {_EXAMPLE}") from None
        if not isinstance(record, dict):
            raise UserError(f"{where} is a {type(record).__name__}; expected an object such as {_EXAMPLE}")
        columns = columns or _choose(path, list(record), wanted)
        for column in columns.values():
            if column not in record:
                raise UserError(f"{where} lacks {column!r}, which the lines before it have; it has {_names(record)}")
        yield _row(where, columns, *(record[column] for column in columns.values()))


def _parquet(path: Path, wanted: _Wanted) -> Iterator[Row]:
    where = f"{path}, name of a column"
    try:
        with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:  # not whole row groups at once
            columns = _choose(path, file.schema_arrow.names, wanted)
            for part, column in columns.items():
                _check_type(path, part, column, file.schema_arrow.field(column).type, wanted)
            numbers = count(1)
            for batch in file.iter_batches(_BATCH, columns=list(columns.values())):
                for values in zip(*(batch.column(column) for column in columns.values()), strict=True):
                    where = f"{path}, row {next(numbers)}"
                    yield _row(where, columns, *(value.as_py() for value in values))
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: byte {error.start + 1} of a value is not UTF-8") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({one_line(error)}); write it anew") from None


def _check_type(path: Path, part: str, column: str, kind: pa.DataType, wanted: _Wanted) -> None:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    string = pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain)
    number = pa.types.is_boolean(plain) or pa.types.is_integer(plain) or pa.types.is_floating(plain)
    if not (string or (number and part == "label")):
        expected = "strings" if part == "text" else "strings, numbers or booleans"
        raise UserError(f"{path}: the column {column!r} holds {kind}; expected {expected} as {wanted.setting[part]}")


_Reader = Callable[[Path, _Wanted], Iterator[Row]]
_READERS: dict[str, _Reader] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}


def _lines_of(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        yield from _lines(str(path), file)


def _lines(name: str, file: BinaryIO) -> Iterator[str]:
    """The lines of a UTF-8 file, with their ends, without the byte order mark that some programs put first."""
    for number in count(1):
        line = file.readline(_LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > _LONGEST_LINE:
            raise UserError(f"{name}, line {number} has more than {_LONGEST_LINE:,} bytes; expected text in lines")
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}, line {number}, byte {error.start + 1} is not UTF-8: save the file in UTF-8"
            ) from None
        yield text.removeprefix("\ufeff") if number == 1 else text


def _choose(path: Path, names: Sequence[str], wanted: _Wanted) -> dict[str, str]:
    """The wanted columns among `names`."""
    columns = {}
    for part, name in wanted.columns.items():
        if name is None:
            found = [known for known in names if known.strip().casefold() in _USUAL[part]]
        else:
            found = [known for known in names if known == name]
        if not found:
            sought = repr(name) if name is not None else " or ".join(_USUAL[part])
            raise UserError(
                f"{path} has no column {sought} for the {part}; it has {_names(names)}.\n"
                f"Set {wanted.setting[part]} to one of these"
            )
        if len(found) > 1:
            raise UserError(
                f"{path} has {len(found)} columns that may be the {part}: {_names(found)}.\n"
                f"Set {wanted.setting[part]} to one, or rename those that have the same name"
            )
        columns[part] = found[0]
    return columns


def _row(where: str, columns: dict[str, str], text: object, label: object = None) -> Row:
    """A row whose text has been checked."""
    return Row(where, checked(f"{where}, column {columns['text']!r}", text), columns.get("label", ""), label)


def checked(where: str, text: object) -> str:
    """The text, which comes from `where`.

    Raises:
        UserError: it is empty, too long, or no text.
    """
    if text is None or (isinstance(text, str) and not text.strip()):
        raise UserError(f"{where} is empty; expected a text: fill it in, or remove the row")
    if not isinstance(text, str):
        raise UserError(f"{where} is a {type(text).__name__}; expected a text")
    if len(text) > LONGEST:
        raise UserError(f"{where} has {len(text):,} characters; expected {LONGEST:,} at most")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where} has half a character ({text[error.start]!a}); expected Unicode") from None
    return text


def _names(names: Sequence[str] | dict[str, Any]) -> str:
    text = ", ".join(repr(name) for name in names)
    return text if len(text) <= 300 else f"{text[:297]}..."
