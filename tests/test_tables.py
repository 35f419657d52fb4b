"""Rows of tables against the csv module and PyArrow, and what is said of tables that cannot be read."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import tables
from stages.console import UserError
from stages.encoding import tokenizers as text

REVIEWS = [
    ("Good, really.", "pos"),
    ('She said "no"\nand "no"\r\n\r\nagain', "neg"),
    ("naïve हिन्दी \u2028 \x85 👍 \x00 NUL", "pos"),
    ("x" * text.LONGEST, "neg"),
    (" ; ", "pos"),
]


def write_csv(path: Path, header: list[str], rows: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_json_lines(path: Path, header: list[str], rows: list[tuple[str, str]]) -> None:
    path.write_text("".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows))


def write_parquet(path: Path, header: list[str], rows: list[tuple[str, str]]) -> None:
    pq.write_table(pa.table(list(zip(*rows, strict=True)), names=header), path)


WRITERS = {
    "reviews.csv": write_csv,
    "reviews.CSV": write_csv,
    "reviews.jsonl": write_json_lines,
    "reviews.ndjson": write_json_lines,
    "reviews.parquet": write_parquet,
}
Write = Callable[[Path, list[str], list[tuple[str, str]]], None]


def read(path: Path, text: str | None = None, label: str | None = None) -> list[tuple[str, object]]:
    return [(row.text, row.label) for row in tables.rows(path, text, label)]


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
def test_rows_come_as_they_were_written(folder: Path, name: str, write: Write) -> None:
    rows = REVIEWS + [(f"review {number}", "neg") for number in range(700)]  # several batches
    write(folder / name, ["text", "label"], rows)
    assert read(Path(name)) == rows


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
@pytest.mark.parametrize("header", [["Review", "SENTIMENT"], ["sentence", "Label "], ["TEXT", "label"]])
def test_the_usual_columns_are_found(folder: Path, name: str, write: Write, header: list[str]) -> None:
    write(folder / name, header, REVIEWS)
    assert read(Path(name)) == REVIEWS
    assert next(tables.rows(Path(name), None, None)).column == header[1]


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
def test_columns_go_by_the_names_given(folder: Path, name: str, write: Write) -> None:
    write(folder / name, ["label", "text"], REVIEWS)
    assert read(Path(name), text="label", label="text") == REVIEWS
    with pytest.raises(UserError, match=rf"{name} has no column 'Text' for the text; it has 'label', 'text'"):
        read(Path(name), text="Text")


@pytest.mark.parametrize(("name", "write"), WRITERS.items())
def test_a_missing_column_and_a_choice_of_columns_are_said(folder: Path, name: str, write: Write) -> None:
    write(folder / name, ["body", "stars"], REVIEWS)
    with pytest.raises(UserError, match=rf"{name} has no column text or review or sentence .* 'body', 'stars'"):
        read(Path(name))
    with pytest.raises(UserError, match=r"no column label or sentiment .*'body', 'stars'(.|\n)*data.files.label"):
        read(Path(name), text="body")
    write(folder / name, ["review", "text"], REVIEWS)
    with pytest.raises(UserError, match=r"2 columns that may be the text: 'review', 'text'(.|\n)*data.files.text"):
        read(Path(name))


@pytest.mark.usefixtures("folder")
def test_a_byte_order_mark_and_blank_lines_are_nothing() -> None:
    Path("a.csv").write_bytes(b"\xef\xbb\xbf\r\ntext,label\r\n\r\ngood,1\r\n\r\n")
    Path("a.jsonl").write_bytes(b'\xef\xbb\xbf\n{"text": "good", "label": "1"}\n \n\n')
    assert read(Path("a.csv")) == read(Path("a.jsonl")) == [("good", "1")]


@pytest.mark.usefixtures("folder")
def test_json_and_parquet_labels_keep_their_types() -> None:
    for labels in ([True, False], [1, 0], [1.0, 0.5], [None, "pos"]):
        records = [{"label": label, "text": "x"} for label in labels]
        Path("a.jsonl").write_text("\n".join(map(json.dumps, records)))
        pq.write_table(pa.Table.from_pylist(records), "a.parquet")
        pq.write_table(pa.table([pa.array(labels).dictionary_encode(), ["x", "x"]], ["label", "text"]), "b.parquet")
        for name in ("a.jsonl", "a.parquet", "b.parquet"):
            assert [repr(label) for _, label in read(Path(name))] == [repr(label) for label in labels]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("empty", ["", " \n\u3000"])
def test_an_empty_text_is_said(folder: Path, name: str, empty: str) -> None:
    rows = [("fine", "1")] * 600
    rows[500] = (empty, "1")
    WRITERS[name](folder / name, ["text", "label"], rows)
    with pytest.raises(UserError, match=rf"^{name}, (line 50[12]|row 501), column 'text' is empty"):
        read(Path(name))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_text_too_long_is_said(folder: Path, name: str) -> None:
    WRITERS[f"reviews.{name[2:]}"](folder / name, ["text", "label"], [("fine", "1"), ("x" * (10**6 + 1), "1")])
    with pytest.raises(UserError, match=rf"^{name}, (line [23]|row 2).*1,000,000 characters at most|1,000,000 at most"):
        read(Path(name))


CSV = "text,label\n"
JSON = '{"text": "fine", "label": 1}\n'
BROKEN = [
    ("a.csv", b"", r"^a.csv is empty; expected a row for each review"),
    ("a.csv", b"\n\n", r"^a.csv is empty"),
    ("a.csv", CSV, r"^a.csv is empty"),
    ("a.jsonl", "", r"^a.jsonl is empty"),
    ("a.jsonl", " \n\n", r"^a.jsonl is empty"),
    ("a.csv", CSV + '"two\nlines",1\nfine,1,more\n', r"^a.csv, line 4 has 3 values, expected 2"),
    ("a.csv", CSV + "fine\n", r"^a.csv, line 2 has 1 values, expected 2"),
    ("a.csv", CSV + 'fine,1\n"never\nclosed,1\n', r"^a.csv, line 3: the row that starts here is not CSV"),
    ("a.csv", CSV + 'fine,1\n"badly "quoted",1\n', r"^a.csv, line 3: the row that starts here is not CSV"),
    ("a.csv", CSV + '"' + "never closed\n" * 10**5, r"^a.csv, line 2: .*field larger than field limit \(1000000\)"),
    ("a.csv", "text,label\rfine,1\r", r"^a.csv, line 1: .*new-line character"),
    ("a.csv", b"text,label\nfine,1\ncaf\xe9,1\n", r"^a.csv, line 3, byte 4 is not UTF-8: save the file in UTF-8"),
    ("a.csv", CSV.encode("utf-16"), r"^a.csv, line 1, byte 1 is not UTF-8"),
    ("a.csv", b"\x1f\x8b\x08\x00 a gzip", r"^a.csv, line 1, byte 2 is not UTF-8"),
    ("a.csv", b"PK\x03\x04 a zip", r"^a.csv has no column text.*; it has 'PK\\x03\\x04 a zip'"),
    ("a.csv", "text;label\nfine;1\n", r"^a.csv has no column text.*; it has 'text;label'"),
    ("a.csv", ",".join(["column"] * 999), r"^a.csv has no column text.*; it has 'column', .*\.\.\.\n"),
    ("a.csv", "text,text,label\na,b,1\n", r"^a.csv has 2 columns that may be the text: 'text', 'text'"),
    ("a.csv", b"x" * 17_000_000, r"^a.csv, line 1 has more than 16,000,000 bytes"),
    ("a.jsonl", JSON + '{"text": "fi\n', r"^a.jsonl, line 2 is not JSON \(character 10: Unterminated string"),
    ("a.jsonl", JSON + '["fine", 1]\n', r"^a.jsonl, line 2 is a list; expected an object"),
    ("a.jsonl", JSON + "[" * 100_000, r"^a.jsonl, line 2 is nested too deeply"),
    ("a.jsonl", JSON + "[" * 900 + "]" * 900, r"^a.jsonl, line 2 is (a list|nested too deeply)"),
    ("a.jsonl", JSON + '{"text": "x", "label": ' + "9" * 5000 + "}", r"^a.jsonl, line 2 is not JSON \(Exceeds"),
    ("a.jsonl", JSON + '{"text": 5, "label": 1}\n', r"^a.jsonl, line 2, column 'text' is a int; expected a text"),
    ("a.jsonl", JSON + '{"text": null, "label": 1}\n', r"^a.jsonl, line 2, column 'text' is empty"),
    ("a.jsonl", JSON + '{"text": "x \\ud800", "label": 1}\n', r"^a.jsonl, line 2, .* half a character \('\\ud800'\)"),
    ("a.jsonl", JSON + '{"text": "x"}\n', r"^a.jsonl, line 2 lacks 'label', .*; it has 'text'"),
    ("a.jsonl", JSON.encode() + b'{"text": "\xff"}\n', r"^a.jsonl, line 2, byte 11 is not UTF-8"),
    ("a.parquet", b"", r"^a.parquet cannot be read as Parquet"),
    ("a.parquet", b"PAR1" + bytes(100) + b"PAR1", r"^a.parquet cannot be read as Parquet"),
    ("a.xlsx", b"PK", r"^a.xlsx is of no known kind; expected a name that ends in .csv, .jsonl, .ndjson, .parquet"),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_what_is_broken_is_said(name: str, content: str | bytes, message: str) -> None:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError, match=message):
        read(Path(name))


def test_a_path_that_is_no_file_is_said(folder: Path) -> None:
    (folder / "folder.csv").mkdir()
    for name in ("folder.csv", "missing.parquet"):
        with pytest.raises(UserError, match=rf"^{name} is not a file: put one there"):
            read(Path(name))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ([1, 2], [1, 0], r"column 'text' holds int64; expected strings as data.files.text"),
        ([["a"], ["b"]], [1, 0], r"column 'text' holds list<.*>; expected strings"),
        ([b"a", b"b"], [1, 0], r"column 'text' holds binary"),
        (["a", "b"], [[1], [0]], r"column 'label' holds list<.*>; expected strings, numbers or booleans"),
        (["a", "b"], [None, None], r"column 'label' holds null"),
    ],
)
def test_a_parquet_column_of_another_type_is_said(texts: list[object], labels: list[object], message: str) -> None:
    pq.write_table(pa.table([texts, labels], ["text", "label"]), "a.parquet")
    with pytest.raises(UserError, match=f"^a.parquet: the {message}"):
        read(Path("a.parquet"))


@pytest.mark.usefixtures("folder")
def test_parquet_text_that_is_not_utf8_is_said() -> None:
    texts = pa.array([b"fine"] * 300 + [b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table([texts, [1] * 301], ["text", "label"]), "a.parquet")
    with pytest.raises(UserError, match=r"^a.parquet, row 301: byte 4 of a value is not UTF-8"):
        read(Path("a.parquet"))


@pytest.mark.usefixtures("folder")
def test_a_parquet_cut_short_is_said() -> None:
    write_parquet(Path("a.parquet"), ["text", "label"], [(f"review {number}", "1") for number in range(5000)])
    content = Path("a.parquet").read_bytes()
    Path("a.parquet").write_bytes(content[:-100])
    with pytest.raises(UserError, match=r"^a.parquet cannot be read as Parquet"):
        read(Path("a.parquet"))
    Path("a.parquet").write_bytes(b"PAR1" + bytes(len(content) // 2) + content[4 + len(content) // 2 :])
    with pytest.raises(UserError, match=r"^a.parquet cannot be read as Parquet"):
        read(Path("a.parquet"))


@pytest.mark.usefixtures("folder")
def test_deep_json_that_parses_is_no_defect() -> None:
    """A value near the recursion limit parses; saying what it is must not go deeper."""
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 10):
        Path("a.jsonl").write_text(JSON + '{"text": ' + "[" * depth + "]" * depth + ', "label": 1}')
        with pytest.raises(UserError, match=r"^a.jsonl, line 2"):
            read(Path("a.jsonl"))


@pytest.mark.usefixtures("folder")
def test_texts_need_no_label() -> None:
    rows = REVIEWS + [(f"review {number}", "neg") for number in range(700)]
    expected = [text for text, _ in rows]
    for name, write in WRITERS.items():
        write(Path(name), ["Text", "stars"], rows)
        read_back = list(tables.texts(Path(name), None))
        assert [row.text for row in read_back] == expected
        assert [row.where for row in read_back] == [row.where for row in tables.rows(Path(name), None, "stars")]


@pytest.mark.usefixtures("folder")
def test_plain_lines_are_texts() -> None:
    content = "\ufeffgood\r\n  naïve \u2028 \x85 \r still the same \nno end"
    Path("a.txt").write_bytes(content.encode())
    expected = ["good", "  naïve \u2028 \x85 \r still the same ", "no end"]
    rows = list(tables.texts(Path("a.txt"), None))
    assert [(row.where, row.text) for row in rows] == [(f"a.txt, line {n}", text) for n, text in enumerate(expected, 1)]
    assert [row.text for row in tables.lines("some", io.BytesIO(content.encode()))] == expected
    with pytest.raises(UserError, match=r"^some is empty; expected a review a line"):
        list(tables.lines("some", io.BytesIO()))
    with pytest.raises(UserError, match=r"^a.txt is of no known kind; .* in .csv, .jsonl, .ndjson, .parquet$"):
        tables.rows(Path("a.txt"), None, None)


def test_a_name_that_is_not_utf8_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "other": ["a"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"other", b"oth\xffr"))
    with pytest.raises(UserError, match=r"a.parquet, name of a column: byte 4 of a value is not UTF-8"):
        list(tables.texts(path, None))


def test_what_a_library_says_of_damage_is_shown_in_a_line(tmp_path: Path) -> None:
    """Here it shows a byte of the file, which may be a command to a terminal."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"]}), path)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    for byte in range(1, 32):
        path.write_bytes(content[: -8 - length] + bytes([0x10 | byte]) * length + content[-8:])
        with pytest.raises(UserError, match=r"a.parquet cannot be read as Parquet") as caught:
            list(tables.texts(path, None))
        assert str(caught.value).isprintable()
