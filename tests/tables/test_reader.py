"""Rows that are read, against what pandas and Polars wrote; and what is said of what cannot be read."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.console import UserError
from stages.encoding import tokenizers as text
from stages.tables import reader, stretches
from stages.tables.layout import Layout
from stages.tables.rows import Row, lines

REVIEWS = pd.DataFrame(
    {
        "id": range(1, 1207),
        "text": ["Good, really; fine | so\tso.", 'He said "no"\nand\r\nno', "naïve हिन्दी \u2028 👍", "NA", "null", "{}"]
        + [f"review {number}" for number in range(1200)],
        "label": [1, 0] * 603,
    }
)
EXPECTED = [" ".join(each.splitlines()) if "\n" in each else each for each in REVIEWS["text"]]

WRITERS: dict[str, Callable[[pd.DataFrame, Any], object]] = {
    "comma": lambda frame, file: frame.to_csv(file, index=False),
    "tab": lambda frame, file: frame.to_csv(file, index=False, sep="\t"),
    "tab, all quoted": lambda frame, file: frame.to_csv(file, index=False, sep="\t", quoting=1),
    "semicolon": lambda frame, file: frame.to_csv(file, index=False, sep=";"),
    "pipe, with carriage returns": lambda frame, file: frame.to_csv(file, index=False, sep="|", lineterminator="\r\n"),
    "UTF-16": lambda frame, file: frame.to_csv(file, index=False, encoding="utf-16"),
    "UTF-8 with a mark": lambda frame, file: frame.to_csv(file, index=False, encoding="utf-8-sig"),
    "gzip": lambda frame, file: frame.to_csv(file, index=False, compression="gzip"),
    "bzip2": lambda frame, file: frame.to_csv(file, index=False, compression="bz2"),
    "xz": lambda frame, file: frame.to_csv(file, index=False, compression="xz"),
    "zip": lambda frame, file: frame.to_csv(file, index=False, compression="zip"),
    "JSON lines": lambda frame, file: frame.to_json(file, orient="records", lines=True),
    "JSON array": lambda frame, file: frame.to_json(file, orient="records", indent=1),
    "JSON columns": lambda frame, file: frame.to_json(file),
    "JSON lines, packed": lambda frame, file: frame.to_json(file, orient="records", lines=True, compression="gzip"),
    "Parquet": lambda frame, file: frame.to_parquet(file),
    "Parquet with categories": lambda frame, file: frame.astype({"label": "category"}).to_parquet(file),
    "Polars CSV": lambda frame, file: pl.from_pandas(frame).write_csv(file),
    "Polars JSON": lambda frame, file: pl.from_pandas(frame).write_json(file),
    "Polars JSON lines": lambda frame, file: pl.from_pandas(frame).write_ndjson(file),
    "Polars Parquet": lambda frame, file: pl.from_pandas(frame).write_parquet(file),
}


def read(content: str | bytes = b"", name: str = "a.csv", **layout: Any) -> list[Row]:
    """The rows of a file with this content, or of one that is there."""
    if content:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return list(reader.read(Path(name), Layout(**layout)))


@pytest.fixture(autouse=True)
def _here(folder: Path) -> None:
    """Each test runs in a folder of its own."""


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_written_is_read_whatever_the_name(writer: str) -> None:
    WRITERS[writer](REVIEWS, "reviews")
    rows = read(name="reviews")
    assert [row.text for row in rows] == EXPECTED
    assert [row.label for row in rows] == ["1", "0"] * 603
    assert [row.where for row in rows[:2]] == ["reviews, row 1", "reviews, row 2"]
    assert {row.problem for row in rows} == {""}
    assert [row.text for row in read(name="reviews", parts=("text",))] == EXPECTED


@pytest.mark.parametrize("writer", WRITERS)
def test_stretches_have_the_rows_of_the_whole(writer: str) -> None:
    WRITERS[writer](REVIEWS, "reviews")
    path, layout = Path("reviews"), Layout()
    cut = stretches.cut(path, layout, 4000)
    parts = [list(reader.read(path, layout, stretch)) for stretch in cut]
    assert [row[1:3] for part in parts for row in part] == [row[1:3] for row in reader.read(path, layout)]
    assert [row.number for row in parts[-1]] == list(range(1, len(parts[-1]) + 1))
    kinds = "comma|tab.*|semicolon|pipe.*|UTF-8.*|JSON lines|Polars CSV|Polars JSON lines"
    assert (len(cut) > 5) == bool(re.fullmatch(kinds, writer))
    contents = [b"".join(stretches.content(path, stretch)) for stretch in cut]
    assert len(set(contents)) == len(contents)


def test_the_bytes_to_hash_are_the_same_each_time() -> None:
    pq.write_table(pa.table([["a fine film"] * 4000, [0, 1] * 2000], ["text", "label"]), "a.parquet", row_group_size=99)
    path = Path("a.parquet")
    for stretch in stretches.cut(path, Layout(), 1000):
        twice = zip(stretches.content(path, stretch), stretches.content(path, stretch), strict=True)
        assert stretch
        assert all(first == second for first, second in twice)


def test_a_quotation_mark_without_its_other_half_does_not_keep_the_rest_in_one_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stretches, "LONGEST", 100)
    Path("a.csv").write_text(
        "text,label\n" + "".join(f"{row} {'6' * 9}{chr(34) * (row == 3)},1\n" for row in range(1000))
    )
    cut = stretches.cut(Path("a.csv"), Layout(), 1000)
    assert len(cut) > 8
    rows = [row for each in cut for row in reader.read(Path("a.csv"), Layout(), each)]
    assert [row.text for row in rows] == [row.text for row in reader.read(Path("a.csv"), Layout())]
    Path("a.csv").write_text("text,label\r" + "fine,1\r" * 1000)  # no line feed, nowhere to cut
    assert stretches.cut(Path("a.csv"), Layout(), 1000) == [None]


def test_a_byte_order_mark_counts_for_all_stretches() -> None:
    path, layout = Path("a.csv"), Layout(encoding="cp1252")
    path.write_text("text,label\n" + "café,1\n" * 1000, encoding="utf-8-sig")
    rows = [row.text for each in stretches.cut(path, layout, 1000) for row in reader.read(path, layout, each)]
    assert rows == ["café"] * 1000


def test_tsv_with_quotation_marks_in_the_text() -> None:
    rows = read('text\tlabel\n"Great!" he said, "and more\tpos\nnot "so" good\tneg\n' * 1)
    assert [(row.text, row.label) for row in rows] == [('"Great!" he said, "and more', "pos"), ('not "so" good', "neg")]


def test_old_line_ends_blank_lines_and_spaces_after_the_separator() -> None:
    for content in ("text,label\rgood,1\r", "\n\ntext,label\r\n\r\n good,1\r\n\n", 'text, label\n"good", 1'):
        assert [(row.text, row.label) for row in read(content)] == [("good", "1")]


def test_fasttext_lines() -> None:
    rows = read("__label__pos a fine film\n\n__label__neg bad\n__label__a __label__b both\nnone\n", "train.txt")
    assert [(row.text, row.label, bool(row.problem)) for row in rows] == [
        ("a fine film", "pos", False), ("bad", "neg", False), ("", "", True), ("", "", True)
    ]  # fmt: skip
    first, *_ = read(f"__label__pos {'x' * (text.LONGEST + 3)}\n", "train.txt")
    assert first.problem


def test_folders_of_text_files() -> None:
    for name, content in (
        ("pos/2.txt", "good\nfilm\n"),
        ("pos/10.txt", "fine"),
        ("neg/1.txt", "bad"),
        ("neg/x.md", "no"),
    ):
        Path("a", name).parent.mkdir(parents=True, exist_ok=True)
        Path("a", name).write_text(content)
    rows = read(name="a")
    assert [(row.where, row.text, row.label) for row in rows] == [
        ("a/pos/10.txt", "fine", "pos"), ("a/pos/2.txt", "good film", "pos"), ("a/neg/1.txt", "bad", "neg")
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "utf-16-le", "utf-8"])
def test_encodings(encoding: str) -> None:
    word = {"shift_jis": "映画"}.get(encoding, "café")
    content = f"text,label\n{word},1\n".encode(encoding)
    assert read(content, encoding=encoding)[0].text == word
    if encoding != "utf-8":
        with pytest.raises(UserError, match=r"a.csv(.|\n)*(data.files.encoding|data.files.text)"):
            read(content)


@pytest.mark.parametrize("header", [["Review", "SENTIMENT"], ["sentence", "Label "], ["TEXT", "label"]])
def test_the_usual_columns_are_found(header: list[str]) -> None:
    for writer in ("comma", "JSON lines", "Parquet"):
        WRITERS[writer](REVIEWS.set_axis(["id", *header], axis="columns"), "reviews")
        assert [row.text for row in read(name="reviews")] == EXPECTED


def test_columns_by_name_and_without_a_header() -> None:
    assert read("label,text\n1,a\n", text="label", label="text")[0][:3] == ("a.csv", "1", "a")
    assert [row[1:4] for row in read("1;a, b\n2;c\n", columns=["label", "text"])] == [("a, b", "1", 1), ("c", "2", 2)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("body,stars\na,1\n", ["'body', 'stars'", "data.files.text", "data.files.columns"]),
        ("text,stars\na,1\n", ["'text', 'stars'", "data.files.label"]),
        ("a fine film,1\na bad film,0\n", ["'a fine film', '1'", "header", "data.files.columns"]),
        ("text,review,label\na,b,1\n", ["2 columns", "'text', 'review'", "data.files.text"]),
        ("text:label\na:1\n", ["one column", "comma"]),
        ('{"body": "a", "stars": 1}\n', ["'body', 'stars'", "data.files.text"]),
    ],
)
def test_columns_that_are_not_there_are_said(content: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        read(content)
    message = str(caught.value)
    assert len(message.splitlines()) <= 2
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("content", "bad"),
    [
        ("text,label\na,1\nb,c,1\nd\n,1\n e ,\n", [False, True, True, True, True]),
        ("text\tlabel\na\t1\n\t1\nb\tc\t1\n", [False, True, True]),
        (
            '{"text": "a", "label": 1}\n{"text": null, "label": 1}\n{"text": "b"}\n{"text": 5, "label": 0}\n',
            [0, 1, 1, 1],
        ),
        ('[{"text": "a", "label": 1}, {"text": {"b": 1}, "label": 1}, {"text": "\\u3000", "label": 1}]', [0, 1, 1]),
        ("text,label\n" + "x" * text.LONGEST + ",1\n", [False]),
    ],
)
def test_rows_that_cannot_be_used_say_why(content: str, bad: list[bool]) -> None:
    rows = read(content)
    assert [bool(row.problem) for row in rows] == bad
    assert [row.text for row in rows if row.problem] == [""] * sum(bad)
    assert [row.number for row in rows] == list(range(1, len(bad) + 1))


def test_parquet_values_of_other_types_are_bad_rows() -> None:
    for texts, labels in (([1, 2], [1, 0]), ([["a"], ["b"]], [1, 0]), ([b"a", b"b"], [1, 0]), (["a", "b"], [None] * 2)):
        pq.write_table(pa.table([texts, labels], ["text", "label"]), "a.parquet")
        assert [bool(row.problem) for row in read(name="a.parquet")] == [True, True]


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "text,label\na,1\n")
    return file.getvalue()


CSV = b"text,label\n" + b"a fine film,1\n" * 3000
JSON = b'{"text": "fine", "label": 1}\n'
PARQUET = pd.DataFrame({"text": ["fine"] * 300 + ["cafe"], "label": 1}).to_parquet()
BROKEN = [
    (b"\n\n", "empty"),
    (b"text,label\n", "empty"),
    (CSV + b'"never\nclosed,1\n', "broken"),
    (CSV + b'"badly "quoted",1\n', "broken"),
    (CSV + b"caf\xe9,1\n", "data.files.encoding"),
    (JSON * 1500 + b'{"text": "fi\n', "line 1501"),
    (JSON + b'["fine", 1]\n', "line 2"),
    (JSON + b"[" * 100_000, "line 2"),
    (JSON * 2 + b'{"text": "half a character: \\udc00"}', "line 3"),
    (JSON + b'{"text": "x", "label": ' + b"9" * 5000 + b"}", "line 2"),
    (b'[{"text": "a", "label": 1}, {"te', "JSON"),
    (b"text\tlabel\n" + b"x" * (text.LONGEST + 3) + b"\t1\n", "after row 0"),
    (b"text,label\nfine,1\n" + b"x" * (text.LONGEST + 3) + b",1\nfine,1\n", "after row 1"),
    (b"PAR1" + bytes(100) + b"PAR1", "damaged"),
    (PARQUET.replace(b"cafe", b"caf\xe9"), "damaged"),
    (gzip.compress(CSV)[:-10], "damaged"),
    (bz2.compress(CSV)[:-10], "damaged"),
    (lzma.compress(CSV)[:-10], "damaged"),
    (zipped("a.csv")[:-10], "damaged"),
    (zipped("a.csv", "b.csv"), "2 files"),
    (zipped("xl/workbook.xml", "xl/styles.xml"), "save the sheet as CSV"),
]


@pytest.mark.parametrize(("content", "words"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_broken_is_said(content: bytes, words: str) -> None:
    with pytest.raises(UserError, match=rf"^a.csv(.|\n)*{words}") as caught:
        read(content)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_folder_that_is_no_source_is_said() -> None:
    Path("a").mkdir()
    with pytest.raises(UserError, match=r"^a is a folder"):
        read(name="a")


def test_a_table_may_be_called_txt() -> None:
    Path("a.txt").write_text("id\tbody\n1\tgood\n")
    assert [row.text for row in read(name="a.txt", text="body", parts=("text",))] == ["good"]
    with pytest.raises(UserError, match=r"^a.txt has no column for the text"):
        read(name="a.txt", text="review", parts=("text",))


def test_plain_lines_are_texts() -> None:
    content = "\ufeffgood\r\n  naïve \u2028 \x85 still the same \nno end"
    Path("a.txt").write_bytes(content.encode())
    expected = ["good", "  naïve \u2028 \x85 still the same ", "no end"]
    for rows in (read(name="a.txt", parts=("text",)), list(lines("a.txt", io.BytesIO(content.encode())))):
        assert [(row.where, row.text) for row in rows] == [
            (f"a.txt, row {n}", each) for n, each in enumerate(expected, 1)
        ]
    with pytest.raises(UserError, match=r"^some is empty"):
        list(lines("some", io.BytesIO()))
    with pytest.raises(UserError, match=r"^some.*utf-8"):
        list(lines("some", io.BytesIO(b"caf\xe9")))
    long = ["x" * 1_000_300, "é" * 5_000_000, "short", "y" * 4_000_016]
    Path("a.txt").write_text("\n".join(long))
    with Path("a.txt").open("rb") as file:
        for rows in (read(name="a.txt", parts=("text",)), list(lines("a.txt", file))):
            assert ["1,000,000" in row.problem for row in rows] == [True, True, False, True]
            assert [row.text for row in rows] == ["", "", "short", ""]
