"""Cut large files into stretches that `reader.read` reads one by one, and get the bytes of each for its hash."""

import codecs
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from stages.encoding.tokenizers import LONGEST
from stages.tables.addresses import open_binary
from stages.tables.layout import Layout
from stages.tables.reader import HEAD, PACKED, Stretch, decoded, errors, has_classes, is_one_value, texts


def cut(path: Path, layout: Layout, size: int) -> list[Stretch | None]:
    """Cut a file, or a folder with `pos/` and `neg/`, into stretches of about `size` bytes; None is the whole file.

    A table is cut at line ends outside quotation marks. If a quotation mark has no other half, a stretch may end within
    a text: then reading it raises an error, and the file has to be read as a whole.
    """
    if has_classes(path):
        count, step = len(texts(path)), max(1, size >> 13)  # to open a text takes as long as to read some 8 KB
        return [range(count)[start : start + step] for start in range(0, count, step)]
    if not path.exists() or path.stat().st_size <= 2 * size:
        return [None]
    cuts: list[int] = []
    with open_binary(path) as file:
        start = file.read(6)
        if start.startswith(b"PAR1"):
            with errors(path, layout):
                cuts = _cuts_between_groups(pq.read_metadata(file), size)
        elif not start.startswith(tuple(PACKED)):
            cuts = _cuts_between_lines(file, layout, size)
    return [range(*each) for each in pairwise(cuts)] if len(cuts) > 2 else [None]


def _cuts_between_groups(metadata: pq.FileMetaData, size: int) -> list[int]:
    """Return the number of the first row group of each stretch, and that of all row groups."""
    cuts, room = [0], size
    for group in range(metadata.num_row_groups):
        room -= metadata.row_group(group).total_byte_size
        if room <= 0 or group == metadata.num_row_groups - 1:
            cuts.append(group + 1)
            room = size
    return cuts


def _cuts_between_lines(file: BinaryIO, layout: Layout, size: int) -> list[int]:
    """Return the start of each stretch, and the end of the file.

    A stretch ends at the first line end after `size` bytes at which the number of `"` in the stretch is even. If no
    such line end comes within the bytes that the longest review can have, the next line end is taken.
    """
    text = decoded(file, layout)
    text.reconfigure(errors="replace")
    has_line_ends = re.match("utf-8|ascii|cp125|iso8859", codecs.lookup(text.encoding).name)  # each byte 10 is one
    if not has_line_ends or is_one_value(text.read(HEAD).lstrip()):
        return []
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
    """Yield the bytes that `reader.read` reads: of a stretch, first those at the file's start, which tell its kind."""
    if has_classes(path):
        for text in texts(path, stretch):
            review = text.read_bytes()
            yield f"{text.parent.name} {len(review)} ".encode() + review
        return
    start, stop = (stretch.start, stretch.stop) if stretch else (0, path.stat().st_size)
    with open_binary(path) as file:
        if stretch:
            head = file.read(HEAD)
            yield f"{min(start, 1)}".encode() + head  # 0 or 1: only the first stretch has the header
            if head.startswith(b"PAR1"):
                metadata = pq.read_metadata(file)
                yield str(metadata.schema).partition("\n")[2].encode()  # without an address in memory
                groups = [metadata.row_group(group) for group in stretch]
                columns = [group.column(column) for group in groups for column in range(metadata.num_columns)]
                start = min(each.dictionary_page_offset or each.data_page_offset for each in columns)
                stop = start + sum(each.total_compressed_size for each in columns)
        file.seek(start)
        for position in range(start, stop, 1 << 20):
            yield file.read(min(1 << 20, stop - position))
