"""Read reviews from files in the shapes in which people have them.

A file is known by its content: a table with a separator between its columns (CSV, TSV), JSON (an object a line, or one
array), Parquet, fastText's lines (`__label__pos a fine film`), or a folder with `pos/` and `neg/`, where each review is
a text file. Any of them may be packed with gzip, bzip2, xz or zip. All but a JSON array are read a few rows at a time,
in memory that does not grow with the file; an array takes about five times its size.
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from stages.console import UserError, one_line
from stages.encoding.tokenizers import LONGEST

_ROWS, _PARQUET_ROWS = 1000, 4
"""Rows read at a time; few of Parquet, where a small file may hold a long text many times."""
_HEAD = 1 << 18
"""Characters at the start of a file by which its kind and its separator are found."""
_UNPACK: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""How packed files start, and what unpacks them."""
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)
"""What the libraries raise for a damaged file; an OSError with a number is the system's."""
_DIALECTS = [(",", csv.QUOTE_MINIMAL), ("\t", csv.QUOTE_NONE), *((mark, csv.QUOTE_MINIMAL) for mark in "\t;|")]
"""Separator and quoting, the likeliest first. In many TSV files a quotation mark is part of the text."""
_USUAL = {"text": ("text", "review", "sentence"), "label": ("label", "sentiment")}
_TEXT = 1 << 13
"""Bytes that a review in a file of its own counts for: opening it takes as long as reading some."""
BLANK = "its text is blank, missing or no text"
"""The problem of a row without a text."""
_EXTRA = object()
"""What the cells of a row hold that has more values than there are columns."""

_Values = Iterator[Sequence[Any]]
"""Text, label and slices of each row, or the text alone."""


@dataclass(frozen=True)
class Layout:
    """Where the reviews are in a file. The fields are named as in `data.files` in params.yaml."""

    text: str | None = None
    """The name of the text's column; None: the one called text, review or sentence, in any case."""
    label: str | None = None
    """The same for the label; None: label or sentiment."""
    columns: Sequence[str] | None = None
    """The names of all columns, for a table without a header."""
    encoding: str = "utf-8"
    """Of files that do not start with a byte order mark."""
    slices: Sequence[str] = ()
    """The names of more columns that are wanted."""
    parts: Sequence[str] = ("text", "label")
    """What is wanted of a row: text and label, or the text alone."""
    setting: str = "data.files.{} in params.yaml"
    """How errors call what to correct; `{}` stands for a field's name."""

    def find(self, names: Sequence[str], part: str) -> list[int]:
        """The positions of the columns that may be the text or the label."""
        wanted = {"text": self.text, "label": self.label}[part]
        if wanted is not None:
            return [position for position, name in enumerate(names) if name == wanted]
        return [position for position, name in enumerate(names) if name.strip().casefold() in _USUAL[part]]

    def choose(self, file: object, names: Sequence[str]) -> list[int]:
        """The positions of the wanted columns among those with these names.

        Raises:
            UserError: one of them is missing, or there is a choice.
        """
        found = {part: self.find(names, part) for part in self.parts}
        shown, setting = one_line(", ".join(map(repr, names))), self.setting.format
        for part, positions in found.items():
            if not positions and len(names) == 1 and re.search(r"[^\w ]", names[0]):
                raise UserError(
                    f"{file} has one column, {shown}; expected a comma, tab, semicolon or | between columns"
                )
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
        return [position for positions in found.values() for position in positions] + list(
            map(names.index, self.slices)
        )

    def refuse_slices(self, file: object) -> None:
        """Refuse more columns where a file has only texts and labels."""
        if self.slices:
            raise UserError(f"{file} has no columns; {self.setting.format('slices')} names {self.slices[0]!r}")


class Row(NamedTuple):
    """A review in a file."""

    file: str
    """Its path, or what the text is called otherwise."""
    text: str
    """On one line: line ends are spaces. Empty where there is a problem."""
    label: str = ""
    """As `normalize_label` writes it."""
    number: int = 0
    """From 1; the header and blank lines do not count. 0 for a text that is no row."""
    problem: str = ""
    """Why the row cannot be used, if it cannot: `its text is blank`."""
    slices: tuple[str, ...] = ()
    """What the columns of `Layout.slices` hold. Empty where nothing is."""

    @property
    def where(self) -> str:
        """The place, for people: `reviews.csv, row 7`."""
        return f"{self.file}, row {self.number:,}" if self.number else self.file


class Stretch(NamedTuple):
    """A part of a file that can be read by itself: bytes or, of Parquet, row groups; of a folder, files."""

    start: int
    stop: int


def stretches(path: Path, layout: Layout, size: int) -> list[Stretch | None]:
    """Cut a file into stretches of some `size` bytes, or a folder with `pos/` and `neg/` into as many reviews.

    A table is cut where a line ends outside of quotation marks, if they come in pairs. Where they do not, a stretch
    ends within a text in quotes, and reading it fails: then read the whole file.

    Returns:
        The stretches, or None for the whole file.
    """
    if has_classes(path):
        count = len(texts(path))
        step = max(1, size // _TEXT)
        return [Stretch(start, min(start + step, count)) for start in range(0, count, step)]
    if not path.exists() or path.stat().st_size <= 2 * size:
        return [None]
    with path.open("rb") as file:
        start = file.read(6)
        if start.startswith(b"PAR1"):
            with _errors(path, layout):
                metadata = pq.read_metadata(path)
            cuts, room = [0], size
            for group in range(metadata.num_row_groups):
                room -= metadata.row_group(group).total_byte_size
                if room <= 0 or group == metadata.num_row_groups - 1:
                    cuts.append(group + 1)
                    room = size
        elif not _is_cuttable(start, path, layout):
            return [None]
        else:
            cuts = _cuts(file, size)
    return [Stretch(*cut) for cut in pairwise(cuts)] if len(cuts) > 2 else [None]


def _is_cuttable(start: bytes, path: Path, layout: Layout) -> bool:
    """Whether a byte 10 in a file is a line end, and lines are rows or parts of rows."""
    packed = (*_UNPACK, b"PK\3\4", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if start.startswith(packed) or not re.match(r"utf-8|ascii|cp125|iso8859", codecs.lookup(layout.encoding).name):
        return False
    with path.open(encoding=layout.encoding, errors="replace", newline="") as text:
        return not _is_at_once(text.read(_HEAD).lstrip("\ufeff \t\r\n"))


def _cuts(file: BinaryIO, size: int) -> list[int]:
    """Where to cut a text: after each `size` bytes, at the next line end with an even number of `"` since the last cut.

    Where none comes within the length of a review, a `"` has no other half: then the next line end has to do.
    """
    file.seek(0)
    cuts = [0]
    while block := file.read(size):
        quotes, length = block.count(b'"'), 0
        while line := file.readline(LONGEST):
            quotes, length = quotes + line.count(b'"'), length + len(line)
            if line.endswith(b"\n") and (not quotes % 2 or length > 4 * LONGEST):
                break
        cuts.append(file.tell())
    return cuts


def content(path: Path, stretch: Stretch | None) -> Iterator[bytes]:
    """The bytes that `read` reads. Those of a stretch come after the start of the file, which says what they are."""
    if has_classes(path):
        for text in texts(path, stretch):
            yield f"{text.parent.name} {text.stat().st_size} ".encode()
            yield text.read_bytes()
        return
    start, stop = stretch or (0, path.stat().st_size)
    with path.open("rb") as file:
        if stretch:
            head = file.read(_HEAD)
            yield f"{min(start, 1)}".encode() + head
            if head.startswith(b"PAR1"):
                metadata = pq.read_metadata(path)
                columns = [
                    metadata.row_group(group).column(column)
                    for group in range(*stretch)
                    for column in range(metadata.num_columns)
                ]
                yield str(metadata.schema).encode()
                start = min(each.dictionary_page_offset or each.data_page_offset for each in columns)
                stop = start + sum(each.total_compressed_size for each in columns)
        file.seek(start)
        while block := file.read(min(1 << 20, stop - start)):
            start += len(block)
            yield block


def texts(path: Path, stretch: Stretch | None = None) -> list[Path]:
    """The texts of a folder with `pos/` and `neg/`, in their order."""
    files = [file for kind in ("pos", "neg") for file in sorted((path / kind).glob("*.txt"))]
    return files[slice(*stretch) if stretch else slice(None)]


def read(path: Path, layout: Layout, stretch: Stretch | None = None) -> Iterator[Row]:
    """Read the reviews of a file, of a stretch of it, or of a folder with `pos/` and `neg/`, in their order.

    A row that cannot be used comes too, with its `problem`. Where no labels are wanted, a .txt that is no table has a
    review a line.

    Raises:
        UserError: the file is empty, damaged or in another encoding; a column is missing, or there is a choice.
    """
    if has_classes(path):
        for file in texts(path, stretch):
            with _errors(file, layout), file.open("rb") as content:
                yield check(str(file), 0, _text(content, layout).read(), file.parent.name)
        layout.refuse_slices(path)
        return
    if not path.exists():
        raise UserError(f"{path} is not there")
    number = 0
    with _errors(path, layout), _unpacked(path) as content:
        for number, values in enumerate(_values(path, content, layout, stretch), 1):
            yield check(str(path), number, *values)
    if not number and not stretch:
        raise UserError(f"{path} is empty; expected a row for each review")


def has_classes(path: Path) -> bool:
    """Whether a path is a folder with `pos/` and `neg/` in it."""
    return (path / "pos").is_dir() and (path / "neg").is_dir()


def lines(name: str, file: BinaryIO) -> Iterator[Row]:
    """Read a text a line, each as soon as it comes.

    Args:
        name: what errors call the file.
        file: in UTF-8.

    Raises:
        UserError: the text is not UTF-8, or there is none.
    """
    number = 0
    for number, line in enumerate(iter(lambda: file.readline(4 * LONGEST + 16), b""), 1):
        with _errors(f"{name}, line {number}", Layout(setting="the {}")):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        yield check(name, number, text)
    if not number:
        raise UserError(f"{name} is empty; expected a review a line")


def check(file: str, number: int, text: object, *values: object) -> Row:
    """Make a row of a text, of its label, if one is wanted, and of what other columns hold."""
    problem, label = "", "".join(map(normalize_label, values[:1]))
    if text is _EXTRA:
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
    """The same for 1, 1.0, "1" and " 1.0": which of them it is, is up to the program that wrote it. Empty for none.

    >>> normalize_label(True), normalize_label("Positive "), normalize_label(None)
    ('true', 'positive', '')
    """
    return "" if label is None or label != label else str(label).strip().casefold().removesuffix(".0")[:100]


@contextmanager
def _errors(file: object, layout: Layout) -> Iterator[None]:
    """Say in a line or two what is wrong with a file, where a library says it otherwise."""
    try:
        yield
    except UnicodeError as error:
        near = error.object[max(0, error.start - 20) : error.start + 1] if isinstance(error, UnicodeDecodeError) else ""
        raise UserError(
            f"{file} cannot be decoded ({one_line(error)}; near {one_line(near)!r}).\n"
            f"Save it in UTF-8, or set {layout.setting.format('encoding')} to what it is in, such as cp1252"
        ) from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise UserError(f"{file} is damaged or cut short ({one_line(error)}); get it anew") from None


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """The content of a file."""
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        unpack = next((unpack for mark, unpack in _UNPACK.items() if start.startswith(mark)), None)
        if start.startswith(b"PK\3\4"):
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
                if len(names) != 1:
                    remedy = "save the sheet as CSV" if "xl/workbook.xml" in names else "unpack it, and name the folder"
                    raise UserError(f"{path} has {len(names)} files in it; expected one: {remedy}")
                with archive.open(names[0]) as member:
                    yield cast(BinaryIO, member)
        elif unpack:
            with unpack(file) as content:
                yield content
        else:
            yield file


def _text(content: BinaryIO, layout: Layout) -> io.TextIOWrapper:
    """The text of a file, with its line ends; a byte order mark says what it is in."""
    start, encoding = content.read(3), layout.encoding
    content.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif start.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    return io.TextIOWrapper(content, encoding, newline="")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a text; one that is too long for a review comes in pieces, which are too long, too."""
    return iter(lambda: text.readline(LONGEST + 3), "")


def _values(path: Path, content: BinaryIO, layout: Layout, stretch: Stretch | None) -> _Values:
    if content.read(4) == b"PAR1":
        with pq.ParquetFile(content, buffer_size=1 << 20, pre_buffer=False) as table:  # not whole row groups at once
            names = table.schema_arrow.names
            chosen = [names[position] for position in layout.choose(path, names)]
            groups = range(*stretch) if stretch else range(table.num_row_groups)
            for batch in table.iter_batches(_PARQUET_ROWS, groups, columns=chosen):
                for values in zip(*(batch.column(column) for column in chosen), strict=True):
                    yield [value.as_py() for value in values]  # one at a time: they may be long
        return
    content.seek(0)
    text = _text(content, layout)
    head = text.read(_HEAD)
    text.seek(0)
    first = head.lstrip()
    if stretch:
        content.seek(stretch.start)
        text = _text(io.BytesIO(content.read(stretch.stop - stretch.start)), layout)
    if first.startswith("__label__"):
        layout.refuse_slices(path)
        labelled = (re.match(r"__label__(\S+)\s+(?!__label__)(.*)", line) for line in _lines(text) if line.strip())
        yield from ([match and match[2], match and match[1]][: len(layout.parts)] for match in labelled)
    elif first.startswith(("{", "[")):
        yield from _json(path, text, first, layout)
    elif first:
        names, _, _ = _find_columns(head, layout)
        is_table = len(names) > 1 and layout.find(names, "text")
        if path.suffix.lower() == ".txt" and "label" not in layout.parts and not is_table:
            yield from ([line] for line in _lines(text))
        else:
            yield from _delimited(
                path, text, head, layout, has_header=not (layout.columns or (stretch and stretch.start))
            )


def _find_columns(head: str, layout: Layout) -> tuple[list[str], str, Any]:
    """The names of a table's columns, its separator and its quoting, as its first lines show them.

    The likeliest separator is the one by which the wanted columns are there, and most rows have as many values as there
    are columns.
    """
    csv.field_size_limit(LONGEST + 2)  # the module's, for all readers: no other is in this process
    found = []
    for separator, quoting in _DIALECTS:
        rows: list[list[str]] = []
        with suppress(csv.Error):  # told when the whole table is read; here the last row may be cut
            lines = islice(io.StringIO(head, newline=""), 100)
            reader: Any = csv.reader(lines, delimiter=separator, quoting=quoting, skipinitialspace=True, strict=True)  # type: ignore[arg-type]
            rows.extend(row for row in reader if any(row))
        names = list(layout.columns or (rows.pop(0) if rows else [""]))
        is_known = all(layout.find(names, part) for part in layout.parts)
        alike = sum(len(row) == len(names) for row in rows) / max(len(rows), 1) if is_known or len(names) > 1 else 0
        found.append(((is_known, alike, len(names)), (names, separator, quoting)))
    return max(found, key=lambda each: each[0])[1]


def _delimited(path: Path, text: io.TextIOWrapper, head: str, layout: Layout, *, has_header: bool) -> _Values:
    import pandas as pd  # here, because `predict` reads single texts without it

    names, separator, quoting = _find_columns(head, layout)
    chosen, number = layout.choose(path, names), 0
    options: dict[str, Any] = {
        "sep": separator,
        "quoting": quoting,
        "skipinitialspace": True,
        "header": None,
        "names": range(len(names)),
        "index_col": False,
        "dtype": object,
        "na_filter": False,  # "NA" and "null" are texts like any other
        "skip_blank_lines": False,  # pandas takes a blank text in a table of one column for one
        "on_bad_lines": lambda _: [_EXTRA] * len(names),
    }
    try:
        # The engine "python" refuses a quotation mark without its other half, where "c" guesses.
        for frame in pd.read_csv(text, engine="python", chunksize=_ROWS, **options):
            kept = frame[frame[0].notna()]  # a blank line has no value
            header = int(not number and has_header)
            yield from islice(zip(*(kept[column] for column in chosen), strict=True), header, None)
            number += len(kept)
    except (csv.Error, pd.errors.ParserError) as error:
        raise UserError(
            f"{path}: the table is broken after row {number:,} ({one_line(error)}).\n"
            f'A value that holds {separator!r} or a line end belongs in "...", a " within it is written ""'
        ) from None


def _json(path: Path, text: io.TextIOWrapper, head: str, layout: Layout) -> _Values:
    import pandas as pd  # here, as in `_delimited`

    at_once = _is_at_once(head)
    chosen: list[Any] = []
    number = 0
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
            names = list(frame.columns)
            chosen = chosen or [names[position] for position in layout.choose(path, [str(name) for name in names])]
            frame = frame.reindex(columns=chosen)
            yield from zip(*(frame[name].tolist() for name in chosen), strict=True)


def _is_at_once(head: str) -> bool:
    """Whether a file is a JSON array, or an object of columns as pandas writes it; else JSON has an object a line."""
    columns = re.match(r'\{\s*"([^"\\]|\\.)*"\s*:\s*[{[]', head) and not re.search(r"[\r\n]\s*\{", head)
    return head.startswith("[") or bool(columns)


def _is_object(line: str) -> bool:
    """Whether a line is JSON, with whole characters: pandas does not say which of its lines is not."""
    try:
        record = json.loads(line)
        return isinstance(record, dict) and bool(json.dumps(record, ensure_ascii=False).encode())
    except (ValueError, RecursionError):
        return line.isspace()
