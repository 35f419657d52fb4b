"""Read the rows of a file, some at a time.

The kind of a file is found from its content: a table with a separator between columns (CSV, TSV), JSON (an object per
line, or one array), Parquet, lines for fastText (`__label__pos a fine film`), or a folder with `pos/` and `neg/`, which
hold a text file per review. Any of them may be packed with gzip, bzip2, xz or zip. Memory does not grow with the file,
but for a JSON array, which takes about five times its size.
"""

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from stages.console import UserError, one_line
from stages.encoding.tokenizers import LONGEST
from stages.tables.addresses import open_binary
from stages.tables.layout import Layout
from stages.tables.rows import EXTRA, Row, check, not_decoded, starts_of_lines

_ROWS, _PARQUET_ROWS = 1000, 4
"""Rows that are read at a time: few of Parquet, where a small file may hold a long text many times."""
_LABEL = 200
"""Characters of a line for fastText before its text, at most."""
HEAD = 1 << 18
"""Characters at the start of a file from which its kind and its separator are found."""
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)
"""What the libraries raise for a damaged file; an OSError with a number is the system's."""
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}
_Values = Iterator[Sequence[Any]]
"""Text, label and slices of each row, or the text alone."""
Stretch = range
"""The part of a file that is read: a range of its bytes, of the row groups of Parquet, or of the texts in a folder."""


def has_classes(path: Path) -> bool:
    """Whether a path is a folder with `pos/` and `neg/` in it."""
    return (path / "pos").is_dir() and (path / "neg").is_dir()


def texts(path: Path, stretch: Stretch | None = None) -> list[Path]:
    """Return the text files in `pos/` and then `neg/`, by name."""
    files = [file for kind in ("pos", "neg") for file in sorted((path / kind).glob("*.txt"))]
    return files[stretch.start : stretch.stop] if stretch else files


def read(path: Path, layout: Layout, stretch: Stretch | None = None) -> Iterator[Row]:
    """Yield the rows of a file, of a stretch of it, or of a folder with `pos/` and `neg/`, in their order.

    A row that cannot be used has a `problem`. Where no labels are wanted, a .txt that is no table has a review a line.

    Raises:
        UserError: the file is missing, empty, damaged or in another encoding; a column is missing or ambiguous.
    """
    if has_classes(path):
        for file in texts(path, stretch):
            with errors(file, layout), open_binary(file) as content:
                yield check(str(file), 0, decoded(content, layout).read(), file.parent.name)
        layout.refuse_slices(path)
        return
    if path.is_dir():
        raise UserError(f"{path} is a folder without pos/ and neg/; expected a file")
    if not path.exists():
        raise UserError(f"{path} is not there")
    number = 0
    with errors(path, layout), _unpacked(path) as content:
        for number, values in enumerate(_values(path, content, layout, stretch), 1):
            yield check(str(path), number, *values)
    if not number and not stretch:
        raise UserError(f"{path} is empty; expected a row for each review")


@contextmanager
def errors(file: object, layout: Layout) -> Iterator[None]:
    """Raise a UserError for what the libraries raise if a file is damaged or in another encoding."""
    try:
        yield
    except UnicodeError as error:
        raise not_decoded(file, error, layout.setting.format("encoding")) from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise UserError(f"{file} is damaged or cut short ({one_line(error)}); get it anew") from None


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and unpack it if it is packed."""
    with open_binary(path) as file:
        start = file.read(6)
        file.seek(0)
        unpack: Any = next((each for mark, each in PACKED.items() if start.startswith(mark)), nullcontext)
        with unpack(file, path) if unpack is _only_member else unpack(file) as content:
            yield content


def _only_member(file: BinaryIO, path: Path) -> Any:
    """Open the only file in a zip archive."""
    archive = zipfile.ZipFile(file)
    names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    if len(names) != 1:
        remedy = "save the sheet as CSV" if "xl/workbook.xml" in names else "unpack it, and name the folder"
        raise UserError(f"{path} has {len(names)} files in it; expected one: {remedy}")
    return archive.open(names[0])


PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
PACKED[b"PK\3\4"] = _only_member
"""How packed files start, and what opens them."""


def decoded(content: BinaryIO, layout: Layout) -> io.TextIOWrapper:
    """Decode a file from its start, by its byte order mark if it has one. Its line ends are kept."""
    content.seek(0)
    start = content.read(3)
    content.seek(0)
    encoding = next((each for mark, each in _MARKS.items() if start.startswith(mark)), layout.encoding)
    return io.TextIOWrapper(content, encoding, newline="")


def _values(path: Path, content: BinaryIO, layout: Layout, stretch: Stretch | None) -> _Values:
    if content.read(4) == b"PAR1":
        return _parquet(path, content, layout, stretch)
    text = decoded(content, layout)
    head = text.read(HEAD)
    text.seek(0)
    if stretch:
        content.seek(stretch.start)
        text = io.TextIOWrapper(io.BytesIO(content.read(stretch.stop - stretch.start)), text.encoding, newline="")
    lines = starts_of_lines(text, LONGEST + _LABEL)  # the start of a longer line is too long for a review, too
    first = head.lstrip()
    if first.startswith("__label__"):
        layout.refuse_slices(path)
        matches = (re.match(r"__label__(\S+)\s+(?!__label__)(.*)", line) for line in lines if line.strip())
        return ([match and match[2], match and match[1]][: len(layout.parts)] for match in matches)
    if first.startswith(("{", "[")):
        return _json(path, text, layout, at_once=is_one_value(first))
    if not first:
        return iter(())
    names, *dialect = layout.dialect(head)
    is_table = len(names) > 1 and layout.find(names, "text")
    if path.suffix.lower() == ".txt" and "label" not in layout.parts and not is_table and layout.text is None:
        return ([line] for line in lines)
    has_header = not (layout.columns or (stretch and stretch.start))
    return _delimited(path, text, layout.choose(path, names), len(names), *dialect, header=has_header)


def _parquet(path: Path, content: BinaryIO, layout: Layout, stretch: Stretch | None) -> _Values:
    with pq.ParquetFile(content, buffer_size=1 << 20, pre_buffer=False) as table:  # not whole row groups at once
        names = table.schema_arrow.names
        chosen = [names[position] for position in layout.choose(path, names)]
        groups = stretch or range(table.num_row_groups)
        for batch in table.iter_batches(_PARQUET_ROWS, groups, columns=chosen):
            for row in zip(*(batch.column(column) for column in chosen), strict=True):
                try:
                    values = [value.as_py() for value in row]  # one row at a time: they may be long
                except UnicodeDecodeError as error:  # damage, since Parquet has no other encoding than UTF-8
                    raise pa.ArrowInvalid(str(error)) from None
                yield values


def _delimited(
    path: Path, text: io.TextIOWrapper, chosen: list[int], width: int, mark: str, quoting: Any, *, header: bool
) -> _Values:
    """Yield the rows of a table with `width` columns, without blank lines.

    pandas is not used here, because it silently skips a row that it cannot read if it is one of the first two.
    """
    rows = csv.reader(text, delimiter=mark, quoting=quoting, skipinitialspace=True, strict=True)
    number = 0
    try:
        for row in islice(filter(None, rows), int(header), None):
            values = row + [None] * (width - len(row))
            yield [EXTRA] * len(chosen) if len(row) > width else [values[position] for position in chosen]
            number += 1
    except csv.Error as error:
        raise UserError(
            f"{path}: the table is broken after row {number:,} ({one_line(error)}).\n"
            f'A value that holds {mark!r} or a line end belongs in "...", a " within it is written ""'
        ) from None


def is_one_value(head: str) -> bool:
    """Whether JSON is one array, or one object of columns as pandas writes it, and not an object per line."""
    has_columns = re.match(r'\{\s*"([^"\\]|\\.)*"\s*:\s*[{[]', head)
    return head.startswith("[") or bool(has_columns and not re.search(r"[\r\n]\s*\{", head))


def _json(path: Path, text: io.TextIOWrapper, layout: Layout, *, at_once: bool) -> _Values:
    import pandas as pd  # here, because `predict` reads single texts without it

    chosen, number = list[Any](), 0
    for chunk in [[text.read()]] if at_once else iter(lambda: list(islice(text, _ROWS)), []):
        try:
            if not at_once and not all(line.isspace() or line.lstrip().startswith("{") for line in chunk):
                raise ValueError("expected an object a line")
            frame = pd.read_json(io.StringIO("".join(chunk)), lines=not at_once, dtype=False, convert_axes=False)
        except (ValueError, TypeError, AttributeError) as error:
            broken = next((line for line in range(len(chunk)) if not _is_object(chunk[line])), 0)
            raise UserError(
                f"{path}, line {number + broken + 1} is not JSON ({one_line(error)}); "
                'expected objects such as {"text": "a fine film", "label": 1}'
            ) from None
        number += len(chunk)
        if len(frame):
            chosen = chosen or list(frame.columns[layout.choose(path, list(map(str, frame.columns)))])
            frame = frame.reindex(columns=chosen)
            yield from zip(*(frame[name].tolist() for name in chosen), strict=True)


def _is_object(line: str) -> bool:
    """Whether a line is a JSON object, with whole characters, or blank: pandas does not say which line is not."""
    try:
        record = json.loads(line)
        return isinstance(record, dict) and bool(json.dumps(record, ensure_ascii=False).encode())
    except (ValueError, RecursionError):
        return line.isspace()
