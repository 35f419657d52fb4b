"""Predict whether new reviews are positive.

Reads   models/model.keras, models/columns.parquet, models/threshold.json; one review per argument, row of --file, or
        line of standard input
Writes  one line per review, in the same order, to standard output

A review is positive if its probability is above the threshold in models/threshold.json. --explain shows the effect of
each word: how much lower the log-odds of positive are without the word. <unknown> stands for all words that the model
does not know.
"""

import argparse
import io
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from stages import console

if TYPE_CHECKING:
    from stages.predict.model import Answer
    from stages.tables.rows import Row

    _Row = TypeVar("_Row", Row, Answer)

_MODELS = Path("models")
_STANDARD_INPUT = Path("-")
_NAMED = 10
"""The number of reviews without a known word that are named in warnings."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `main`."""
    parser.add_argument("texts", metavar="text", nargs="*", help="a review")
    parser.add_argument(
        "--file", type=Path, help="a table as in docs/own-reviews.md, or a .txt or - (stdin) with a review per line"
    )
    column = "the table's column of texts (default: text, review or sentence)"
    parser.add_argument("--text", "--column", dest="column", metavar="COLUMN", help=column)
    names = "names of all columns, with commas, for a table without a header"
    parser.add_argument("--columns", type=lambda text: text.split(","), help=names)
    parser.add_argument("--encoding", default="utf-8", help="encoding of the file (default: utf-8)")
    parser.add_argument(
        "--bad-rows", choices=["error", "skip"], default="error", help="rows without a text (default: error)"
    )
    parser.add_argument("--models", type=Path, default=_MODELS, help="the folder with the model (default: models)")
    fields = "row, text, probability, label and, with --explain, contributions"
    parser.add_argument("--json", action="store_true", help=f"print one object per line: {fields}")
    parser.add_argument("--explain", action="store_true", help="show the effect of each word")


def main(
    texts: list[str],
    file: Path | None,
    column: str | None,
    *,
    json: bool,
    explain: bool,
    columns: list[str] | None = None,
    encoding: str = "utf-8",
    bad_rows: str = "error",
    models: Path = _MODELS,
) -> None:
    """Print a line for each review. The arguments are those of the command line, which `arguments` describes."""
    if texts and file:
        raise console.UsageError("give texts or --file, not both")
    is_table = file is not None and file != _STANDARD_INPUT and file.suffix.lower() != ".txt"
    if column is not None and (file is None or file == _STANDARD_INPUT):
        raise console.UsageError("--text goes with a --file that is a table")
    if not texts and not file and sys.stdin.isatty():
        raise console.UsageError('give a text, such as "this film was just brilliant", or --file, or pipe lines in')

    if not models.is_dir():
        raise console.UserError(
            f"{models} is not a folder: build it with `dvc repro` in the project's folder, or name one with --models"
        )

    # Imports take time, so they come after the checks of the arguments.
    from tqdm import tqdm

    from stages.predict import model
    from stages.tables.rows import check, lines

    rows: Iterable[Row]
    if file and file != _STANDARD_INPUT:
        from stages.predict import stretches
        from stages.tables.layout import Layout

        layout = Layout(column, None, columns, encoding, parts=("text",), setting="--{}")
        answers = stretches.answers(models, file, layout, explain=explain, whole=explain or json)
    else:
        if texts:
            rows = [check(f"text {number}", 0, text) for number, text in enumerate(texts, 1)]
            rows = list(_usable(rows, bad_rows, are_lines=False))  # check all before the first prediction
        else:
            rows = lines("standard input", sys.stdin.buffer)
        answers = model.read_model(models).answers(rows, explain=explain)
    # On a terminal, the lines themselves show the progress.
    bar = tqdm(answers, unit=" reviews", disable=True if texts or sys.stdout.isatty() else None)
    _print(_usable(bar, bad_rows, are_lines=not texts and not is_table), models, json=json)


def _print(answers: "Iterable[Answer]", models: Path, *, json: bool) -> None:
    """Print a line for each prediction, and warn of reviews without a known word."""
    from stages.contracts.features import read_columns
    from stages.contracts.model import MODEL_COLUMNS
    from stages.encoding.tokenizers import TOKENIZERS
    from stages.predict import show

    line = show.as_json
    if not json:
        tokenizer = TOKENIZERS[read_columns(models / MODEL_COLUMNS.name).tokenizer]
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        line = partial(show.for_people, tokenizer=tokenizer, colour=colour)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not support all characters
    unknown = 0
    for answer in answers:
        print(line(answer))
        unknown += not answer.known
        if not answer.known and unknown <= _NAMED:
            _warn(f"{answer.where} has no word that the model knows: its probability says nothing about it")
    if unknown > _NAMED:
        _warn(f"{unknown - _NAMED:,} more reviews have no word that the model knows")


def _usable(rows: "Iterable[_Row]", bad_rows: str, *, are_lines: bool) -> "Iterator[_Row]":
    """Yield the rows that have no problem. Blank lines, and all bad rows if `bad_rows` is "skip", are left out.

    Raises:
        UserError: any other row has a problem.
    """
    from stages.tables.rows import BLANK

    left_out = 0
    for row in rows:
        if not row.problem:
            yield row
        elif bad_rows == "skip" or (are_lines and row.problem == BLANK):
            left_out += 1
        else:
            raise console.UserError(f"{row.where}: {row.problem}; correct it, or leave such rows out: --bad-rows skip")
    if left_out:
        _warn(f"left out {left_out:,} row{'s' * (left_out > 1)} without a usable text; the others keep their numbers")


def _warn(text: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"warning: {text}", file=sys.stderr)


def program() -> NoReturn:
    """Run as `python -m stages.predict`, or as the console script `multihot-predict`."""
    console.run(main, __doc__, arguments)


if __name__ == "__main__":
    program()
