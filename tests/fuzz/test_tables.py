"""Files of one's own reviews: any bytes under any name, and any texts in files that other libraries write."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.download import files
from stages.encoding import tokenizers as text
from stages.tables import reader
from stages.tables.layout import Layout
from stages.tables.rows import Row, normalize_label
from tests.conftest import decoded
from tests.conftest import files_settings as settings
from tests.fuzz.bounds import bounded
from tests.fuzz.given import answer, damaged

Rows = list[tuple[str, Any]]

LABELS = {0: ["0", "neg", "Negative", " false", "0.0"], 1: ["1", "pos", "POSITIVE ", "true", "1.0"]}
KINDS = ["csv", "jsonl", "ndjson", "parquet", "txt"]
WRITTEN = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\",' \0\x85\u2028\ufeff\u0301"), max_size=60)
REVIEWS = WRITTEN.filter(lambda review: review.strip() != "")


def csv_of(rows: Rows) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("text", "label"), *rows])
    return file.getvalue().encode()


def json_lines_of(rows: Rows, **options: Any) -> bytes:
    lines = [json.dumps({"id": 0, "text": review, "label": label}, **options) for review, label in rows]
    return "\n".join(lines).encode()


def parquet_of(rows: Rows, kind: pa.DataType | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    reviews, labels = ([row[column] for row in rows] for column in (0, 1))
    pq.write_table(pa.table([pa.array(reviews, kind), labels], ["text", "label"]), file, **options)
    return file.getvalue()


SOME: Rows = [(f"word{row} fi\u0301lm,\n\"'", LABELS[row % 2][row % 5]) for row in range(40)]
VALID = {
    "csv": [csv_of(SOME)],
    "jsonl": [json_lines_of(SOME), json_lines_of(SOME, ensure_ascii=False)],
    "parquet": [
        parquet_of(SOME, compression="none"),
        parquet_of(SOME, row_group_size=7, compression="zstd"),
        parquet_of(SOME, pa.large_string(), use_dictionary=False, compression="none", data_page_version="2.0"),
    ],
    "txt": ["\r\n".join(review for review, _ in SOME).encode()],
}
ODD_VALUES = [
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\x1b[31m"', '"', "'a'", "//", '"\\'),
    *("1e999", "NaN", "-Infinity", "9" * 5000, "9" * 4000, "-0", "1.0", "null", "true", "{}", "[]", '{"text": "a"}'),
    *("[" * 100_000, "[" * 900 + "]" * 900, '"1", "text": "again"', '"1", "Text": "two"', "\0", "\ufeff"),
]
ODD_LINES = st.builds('{{"text": {}, "label": {}}}'.format, *[st.sampled_from(['"a"', "1", *ODD_VALUES])] * 2)


@st.composite
def any_file(draw: st.DrawFn) -> tuple[str, bytes]:
    """A name, and what is in the file: as a program would write it, damaged, or of another kind altogether."""
    kind = draw(st.sampled_from(KINDS))
    near = st.sampled_from(VALID.get(kind, VALID["jsonl"]))
    odd = st.lists(ODD_LINES | st.sampled_from(ODD_VALUES), max_size=6).map(lambda lines: "\n".join(lines).encode())
    cells = st.lists(st.sampled_from(["text", "label", '"', '""', ",", "\n", "\r", "\0", "\ufeff", "a", "1", "\x1b"]))
    content = [near, near.flatmap(damaged), near.flatmap(damaged), st.binary()]
    if kind != "parquet":
        content += [odd, cells.map(lambda parts: "".join(["text,label\n", *parts]).encode())]
    return kind, draw(st.one_of(content))


def check_text(row: Row) -> None:
    assert bool(row.text.strip()) != bool(row.problem)
    assert len(row.text) <= text.LONGEST + 2
    assert not set("\r\n") & set(row.text)
    row.text.encode()


@given(any_file(), st.sampled_from([None, "text", "x"]), st.sampled_from([None, "1", 1, True, "neg"]))
@example(("jsonl", b'{"text": ' + b"[" * 10**6), None, None)
@example(("jsonl", b'{"text": "a", "label": ' + b"9" * 5000 + b"}"), None, 1)
@example(("csv", b'text,label\n"' + b"a" * (10**6 + 1) + b'",1'), None, None)
@example(("csv", b'text,label\n"' + b"\n" * (10**6 + 1)), None, None)
def test_any_file(folder: Path, file: tuple[str, bytes], column: str | None, positive: Any) -> None:
    kind, content = file
    path = Path(f"reviews.{kind}")
    path.write_bytes(content)
    texts, rows = (
        answer(lambda layout=layout: list(reader.read(path, layout))) or []  # type: ignore[misc]
        for layout in (Layout(column, parts=("text",)), Layout(column))
    )
    assert all(row.problem or row.label for row in rows)
    for row in [*texts, *rows]:
        check_text(row)
    chosen = settings(train=path.name, test=path.name, text=column, positive=positive, bad_rows="skip")
    corpus = answer(lambda: files.load(chosen, "keras"))
    if corpus is not None:
        assert sum(len(batch) for batch in corpus.reviews("test")) <= sum(not row.problem for row in rows)
        assert len(corpus.words.unique()) == len(corpus.words) == len(corpus.counts)


FORMATS: dict[str, Callable[[Rows], bytes]] = {
    "a.csv": csv_of,
    "a.jsonl": json_lines_of,
    "a.ndjson": lambda rows: json_lines_of(rows, ensure_ascii=False),
    "a.parquet": lambda rows: parquet_of(rows, row_group_size=3),
    "b.parquet": lambda rows: parquet_of(rows, pa.large_string(), compression="none"),
    "c.parquet": lambda rows: parquet_of(rows, pa.dictionary(pa.int8(), pa.string()), compression="gzip"),
    "d.parquet": lambda rows: parquet_of(rows, pa.string_view(), data_page_version="2.0"),
}


@given(st.lists(st.tuples(REVIEWS, st.integers(0, 1), st.integers(0, 4)), min_size=1, max_size=8))
def test_any_reviews_come_back(folder: Path, chosen: list[tuple[str, int, int]]) -> None:
    """Text and label as written, and then the words and classes in the corpus."""
    chosen = [*chosen, ("end", 0, 0), ("end", 1, 0)]
    rows: Rows = [(review, LABELS[label][spelling]) for review, label, spelling in chosen]
    expected = [(text.keras(re.sub(r"\r\n?|\n", " ", review.rstrip("\r\n"))), label) for review, label, _ in chosen]
    for name, write in FORMATS.items():
        Path(name).write_bytes(write(rows))
        found = list(reader.read(Path(name), Layout()))
        assert [row.problem for row in found] == [""] * len(rows)
        assert [row.label for row in found] == [normalize_label(label) for _, label in rows]
        corpus = files.load(settings(train=name, test=name), "keras")
        assert decoded(corpus, "test") == expected


KINDS_OF_COLUMN = [
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary(3), pa.null()),
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.decimal128(5, 2), pa.list_(pa.string())),
    *(pa.date32(), pa.timestamp("ns"), pa.time64("us"), pa.duration("s"), pa.list_(pa.list_(pa.int8()))),
    *(pa.struct([("text", pa.string())]), pa.map_(pa.string(), pa.int8()), pa.dictionary(pa.int8(), pa.int64())),
    pa.dictionary(pa.int32(), pa.string()),
]


@given(*[st.sampled_from(KINDS_OF_COLUMN)] * 2, st.sampled_from(["text", "text.text", "label", "\x1b[1m\n", ""]))
def test_any_kind_of_column(folder: Path, reviews: pa.DataType, labels: pa.DataType, name: str) -> None:
    table = pa.table([pa.nulls(3, reviews), pa.nulls(3, labels), pa.nulls(3)], ["text", "label", name])
    pq.write_table(table, "a.parquet")
    rows = answer(lambda: list(reader.read(Path("a.parquet"), Layout()))) or []
    assert all(row.problem for row in rows)


@pytest.mark.parametrize("length", [text.LONGEST, 10 * text.LONGEST])
@pytest.mark.parametrize("stored", [pa.string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_one_long_text_many_times_is_not_there_many_times(folder: Path, stored: pa.DataType, length: int) -> None:
    """Parquet keeps it once for all rows: a small file."""
    schema = pa.schema([("text", stored)])
    with pq.ParquetWriter("a.parquet", schema, compression="zstd") as writer:
        for _ in range(40):
            writer.write_table(pa.table([pa.array(["x" * length] * 10, stored)], schema))
    with bounded():
        rows = sum(not row.problem for row in reader.read(Path("a.parquet"), Layout(parts=("text",))))
    assert rows == (400 if length <= text.LONGEST else 0)
