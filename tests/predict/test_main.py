"""The program: its input, output, errors and exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
import termios
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.console import UsageError, UserError
from stages.predict import stretches
from stages.predict.__main__ import main
from tests.conftest import ROOT
from tests.predict.conftest import made_up

TEXTS = [*made_up(40), "naïve word1, word2", 'word3 "word4"']


PROGRAM = [sys.executable, "-m", "stages.predict"]


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program run in any folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, input="", check=False, capture_output=True, text=True)


def answered(
    capsys: pytest.CaptureFixture[str], texts: list[str] | None = None, file: str | None = None, **options: Any
) -> list[dict[str, Any]]:
    """Return the JSON objects that the program prints."""
    path = Path(file) if file else None
    main(texts or [], path, **{"column": None, "json": True, "explain": False, **options})
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def write(path: Path, texts: list[str], column: str) -> None:
    """Write a file without labels, in the format of its suffix."""
    if path.suffix == ".txt":
        path.write_bytes(("\ufeff" + "\r\n".join(texts)).encode())
    elif path.suffix.lower() == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", column), *enumerate(texts)])
    elif path.suffix == ".parquet":
        pq.write_table(pa.table([list(range(len(texts))), texts], ["id", column]), path)
    else:
        path.write_text("".join(json.dumps({"id": row, column: text}) + "\n" for row, text in enumerate(texts)))


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))


def test_texts_files_and_standard_input_give_the_same_answers(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answered(capsys, TEXTS)
    assert [(answer["row"], answer["text"]) for answer in expected] == list(enumerate(TEXTS, 1))
    assert {answer["label"] for answer in expected} == {"positive", "negative"}
    for name in ("a.txt", "a.csv", "a.CSV", "a.jsonl", "a.ndjson", "a.parquet"):
        write(models / name, TEXTS, "Review")
        assert answered(capsys, file=name) == expected
    for name in ("b.csv", "b.jsonl", "b.parquet"):
        write(models / name, TEXTS, "body")
        assert answered(capsys, file=name, column="body") == expected
    piped(monkeypatch, "\n".join(TEXTS).encode())
    assert answered(capsys) == expected


def test_the_output_does_not_depend_on_the_number_of_workers(
    models: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "_STRETCH", 1 << 12)
    texts = [*made_up(100), "unknown", "", *made_up(50, seed=1)]
    write(models / "broken.csv", texts, "text")
    with (models / "broken.csv").open("a") as file:
        file.write('151,"word1\n')
    for name in ("a.txt", "a.csv", "a.jsonl", "a.parquet"):
        write(models / name, texts, "text")

    def said(number: str, name: str, bad_rows: str, *, whole: bool = True) -> tuple[str, str, str]:
        monkeypatch.setenv("MULTIHOT_WORKERS", number)
        error = ""
        try:
            main([], Path(name), None, json=whole, explain=whole, bad_rows=bad_rows)
        except UserError as caught:
            error = str(caught)
        return error, *capfd.readouterr()

    for name in ("a.txt", "a.csv", "a.jsonl", "a.parquet"):
        for bad_rows in ("skip", "error"):
            assert said("2", name, bad_rows) == said("1", name, bad_rows)
    short = said("2", "a.csv", "skip", whole=False)
    assert short == said("1", "a.csv", "skip", whole=False)
    assert any(line.endswith("...") for line in short[1].splitlines())
    broken = said("1", "broken.csv", "skip")[0]
    assert "after row" in broken
    assert said("2", "broken.csv", "skip")[0] == broken  # but more rows came before it


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", b"body,id\nfine,1\n", {}, r"^a.csv.*'body', 'id'.\nSet --text to one of"),
        ("a.csv", b"body\nfine\n", {"column": "x"}, r"^a.csv.*'body'"),
        ("a.csv", b"text,review\na,b\n", {}, r"^a.csv has 2 columns that may be the text(.|\n)*--text"),
        ("a.csv", b"text\nfine\n' '\n\"\"\n", {}, r"^a.csv, row 3: .*--bad-rows skip"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 5}', {}, r"^a.jsonl, row 2: .*--bad-rows skip"),
        ("a.txt", b"fine\ncaf\xe9\n", {}, r"^a.txt(.|\n)*--encoding"),
        ("a.txt", b"fine\n" + b"x" * (10**6 + 3), {}, r"^a.txt, row 2: .*more than 1,000,000 characters"),
        ("a.txt", b"", {}, r"^a.txt is empty"),
    ],
)
def test_an_error_names_the_file_and_the_row(
    models: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes,
    options: dict[str, Any],
    message: str,
) -> None:
    (models / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        answered(capsys, file=name, **options)


def test_an_error_names_the_text_or_the_line(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"^missing.txt is not there"):
        answered(capsys, file="missing.txt")
    pq.write_table(pa.table([[1]], ["text"]), "a.parquet")
    with pytest.raises(UserError, match=r"^a.parquet, row 1: "):
        answered(capsys, file="a.parquet")
    with pytest.raises(UserError, match=r"^text 2: its text is blank"):
        answered(capsys, ["word1", ""])
    with pytest.raises(UserError, match=r"^text 1: .*1,000,000 characters"):
        answered(capsys, ["x" * (10**6 + 3)])
    with pytest.raises(UserError, match=r"^text 1: .*half a character"):
        answered(capsys, [os.fsdecode(b"caf\xe9")])
    piped(monkeypatch, b"word1\n\xff\n")
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match=r"^standard input, line 2 cannot be decoded"):
        answered(capsys)
    assert len(capsys.readouterr().out.splitlines()) == 1  # the answer to the first line
    piped(monkeypatch, b"")
    with pytest.raises(UserError, match=r"^standard input is empty"):
        answered(capsys)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("way", ["a file", "a pipe", "a dash"])
def test_blank_lines_are_skipped_and_counted(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    content = b"\nword1\n \t\nword2\n\n"
    (models / "a.txt").write_bytes(content)
    piped(monkeypatch, content)
    main([], {"a file": Path("a.txt"), "a dash": Path("-")}.get(way), None, json=True, explain=False)
    printed = capsys.readouterr()
    assert [(json.loads(line)["row"], json.loads(line)["text"]) for line in printed.out.splitlines()] == [
        (2, "word1"),
        (4, "word2"),
    ]
    (warning,) = printed.err.splitlines()
    assert "left out 3 rows" in warning


@pytest.mark.parametrize("missing", ["model.keras", "columns.parquet", "threshold.json"])
def test_a_missing_model_is_an_error_that_names_the_command(
    models: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    (models / "models" / missing).unlink()
    with pytest.raises(UserError, match=rf"^models/{missing} is missing: build it with `dvc repro"):
        answered(capsys, ["word1"])


def test_texts_without_a_known_word_give_a_warning(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["never seen", "word1", *["seen"] * 12], None, None, json=False, explain=False)
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 14
    first, *others, last = printed.err.splitlines()
    assert first == "warning: text 1 has no word that the model knows: its probability says nothing about it"
    assert [line.split(" has ")[0] for line in others] == [f"warning: text {row}" for row in range(3, 12)]
    assert last == "warning: 3 more reviews have no word that the model knows"


def test_explain_shows_the_effects_of_the_words(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (explained,) = answered(capsys, ["word1, Word2 never"], explain=True)
    assert set(explained["contributions"]) == {"word1", "word2", "<unknown>"}
    for terminal, no_color, coloured in ((False, "", False), (True, "1", False), (True, "", True)):
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        main(["word1, Word2 never"], None, None, json=False, explain=True)
        first, *reasons = capsys.readouterr().out.splitlines()
        assert ("\x1b[" in first) == coloured
        assert [line.split()[0] for line in reasons] == ["for", "against"]
        for word, value in explained["contributions"].items():
            assert f"{word} {value:+.2f}" in "\n".join(reasons)


def test_it_runs_in_any_folder_with_only_the_models(models: Path, tmp_path: Path) -> None:
    """As a module and as the console script."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for start in (PROGRAM, [str(Path(sys.executable).with_name("multihot-predict"))]):
        done = run([*start, "--models", str(models / "models"), "word1 word2", "WORD3"], elsewhere)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[2:] for line in done.stdout.splitlines()] == [["word1", "word2"], ["WORD3"]]
        assert "--models" in run([*start, "--help"], elsewhere).stdout
        without = run([*start, "word1"], elsewhere)
        assert (without.returncode, without.stdout) == (1, "")
        assert "models is not a folder" in without.stderr
        assert "--models" in without.stderr
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="shells with pipes")
def test_a_closed_pipe_ends_the_program_silently(models: Path) -> None:
    (models / "many.txt").write_text("word1 word2\n" * 30_000)
    command = [*PROGRAM, "--file", "many.txt"]
    with subprocess.Popen(command, cwd=models, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith("  word1 word2\n")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_shows_a_progress_bar(models: Path, terminal: bool) -> None:
    (models / "many.txt").write_text("word1 word2\n" * 5_000)
    reader, writer = os.openpty() if terminal else os.pipe()
    if terminal:
        termios.tcsetwinsize(writer, (24, 80))
    with (models / "answers").open("wb") as file:
        process = subprocess.Popen([*PROGRAM, "--file", "many.txt"], cwd=models, stdout=file, stderr=writer)
    os.close(writer)
    said = b"".join(iter(partial(_read, reader), b""))
    os.close(reader)
    assert process.wait() == 0
    assert (models / "answers").read_bytes().count(b"word1 word2\n") == 5_000
    if terminal:
        assert b"\r5000 reviews [" in said
    else:
        assert said == b""


def _read(descriptor: int) -> bytes:
    """Read some bytes. At the end, Linux raises an error for a pseudo-terminal."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unknown"], "unrecognized arguments"),
        (["text", "--file", "a.txt"], "give texts or --file, not both"),
        (["text", "--column", "body"], "--text goes with a --file that is a table"),
        (["--file", "-", "--text", "body"], "--text goes with a --file that is a table"),
        (["--column", "body"], "--text goes with a --file that is a table"),
    ],
)
def test_wrong_arguments_print_the_usage(folder: Path, arguments: list[str], message: str) -> None:
    done = run([*PROGRAM, *arguments], folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m stages.predict")
    assert f": error: {message}" in done.stderr


def test_a_terminal_without_a_text_is_a_usage_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with pytest.raises(UsageError, match=r"give a text, such as .*--file"):
        main([], None, None, json=False, explain=False)


@pytest.mark.parametrize("arguments", [["--help"], ["text", "--file", "a.txt"]])
def test_help_and_usage_errors_import_no_large_library(folder: Path, arguments: list[str]) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['stages.predict', *{arguments}]\n"
        "try: runpy.run_module('stages.predict', run_name='__main__', alter_sys=True)\n"
        "except SystemExit: print({'tensorflow', 'pyarrow', 'scipy', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"
