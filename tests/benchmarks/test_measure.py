"""Measure processes whose time and memory are known."""

import sys
from pathlib import Path

import pytest

from benchmarks import measure
from stages.console import UserError

HOLD = "held = b'x' * 300_000_000"
START = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}], check=True)"
PEAK = (
    "import sys; from benchmarks import measure; print(measure.process([sys.executable, '-c', sys.argv[1]]).peak_bytes)"
)


def python(code: str, *arguments: str) -> measure.Measured:
    return measure.process([sys.executable, "-c", code, *arguments])


def peak(code: str) -> float:
    """The peak of a process in MB, measured by a small process, because the memory of the parent counts too."""
    return int(python(PEAK, code).lines[-1][1]) / 1e6


def test_the_peak_is_that_of_the_process_or_of_one_that_it_starts() -> None:
    assert peak("pass") < 100
    assert 300 < peak(HOLD) < 400
    assert 300 < peak(START) < 400


def test_lines_come_with_the_time_at_which_they_were_printed() -> None:
    measured = python("import time; print('one', flush=True); time.sleep(0.5); print('two')")
    (first, one), (second, two) = measured.lines
    assert (one, two) == ("one", "two")
    assert second - first > 0.1
    assert measured.seconds > second > 0.5


def test_figures_are_what_report_prints() -> None:
    measured = python("from benchmarks import measure; print('noise'); measure.report(lambda: {'seconds': 0.5})")
    assert measured.figures() == {"seconds": 0.5}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('error: data/features is missing')", "^data/features is missing$"),
        ("raise ZeroDivisionError", "failed with 1\n.*Traceback"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9"),
    ],
)
def test_a_failure_says_what_the_process_said(code: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        python(code)


def test_without_features_the_benchmark_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data/features is missing: run `make repro` first$"):
        measure.module("benchmarks.reference", folder=tmp_path)
