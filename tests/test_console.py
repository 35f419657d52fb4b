"""The messages and exit codes of the programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from stages import console
from tests.conftest import ROOT

PROGRAM = """
import atexit, os, signal
from stages import console
def main():
{body}
console.run(main, "What it does.")
"""
INTERRUPTED = "interrupted: no result was left half-written\n"
CLEANING = "with console.cleanup_on_interrupt(str()):\n try: os.kill(os.getpid(), signal.SIGINT)\n"


def program(body: str) -> str:
    return PROGRAM.format(body=indent(body, " "))


def run(body: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program(body)], cwd=ROOT, check=False, capture_output=True, text=True,
        # A process in the background ignores SIGINT, and the processes that it starts would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code", "stderr"),
    [
        ("pass", 0, ""),
        ("raise console.UserError('a.csv: row 3 is empty')", 1, "error: a.csv: row 3 is empty\n"),
        ("open('no/such/file')", 1, "error: no/such/file: No such file or directory\n"),
        ("raise OSError(28, 'No space left on device')", 1, "error: I/O: No space left on device\n"),
        ("os.kill(os.getpid(), signal.SIGINT)", 130, INTERRUPTED),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, INTERRUPTED),
        (f"{CLEANING} except: 1 / 0", 130, INTERRUPTED),
        (f"{CLEANING} except: pass", 130, INTERRUPTED),
        ("try: os.kill(os.getpid(), signal.SIGTERM)\nexcept: pass", 143, INTERRUPTED),
        ("atexit.register(os.kill, os.getpid(), signal.SIGTERM)", -15, ""),
        ("bytearray(1 << 60)", 1, f"error: {console.NO_MEMORY}\n"),
        ("raise BrokenPipeError(32, 'Broken pipe')", 141, ""),
    ],
)
def test_exit_codes_and_messages(body: str, code: int, stderr: str) -> None:
    done = run(body)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", stderr)


def test_a_bug_keeps_its_traceback() -> None:
    done = run("1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_closed_pipe_at_exit_is_not_an_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()" + program("print('a line that waits in the buffer')")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.close()
        assert process.communicate("go on\n")[1] == ""
        assert process.returncode == 141


@pytest.mark.parametrize("stage", ["download", "vectorize", "train", "evaluate"])
def test_the_help_of_a_stage_names_its_files_and_needs_no_tensorflow(stage: str, tmp_path: Path) -> None:
    """Importing TensorFlow takes seconds."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['stages.{stage}', '--help']\n"
        f"try: runpy.run_module('stages.{stage}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit: print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    for word in (f"usage: python -m stages.{stage}", "Reads  ", "Writes  "):
        assert word in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


MODULES = [f"stages.{path.stem}" for path in sorted((ROOT / "stages").glob("[!_]*.py"))]
PACKAGES = [f"stages.{path.parent.name}" for path in sorted((ROOT / "stages").glob("*/__init__.py"))]


def test_importing_changes_no_signal_handler() -> None:
    """Only `console.run` sets signal handlers."""
    code = (
        "import importlib, signal, sys\n"
        "def handlers(): return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]\n"
        "sys.argv[0], before = '-m', handlers()\n"
        f"for name in {[*MODULES, *PACKAGES]}: importlib.import_module(name)\n"
        "assert handlers() == before"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("stage", ["download", "vectorize", "train", "evaluate", "predict"])
def test_an_interrupt_during_imports_is_one_line(stage: str, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)")
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *["a text"] * (stage == "predict")],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False, capture_output=True, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert (done.returncode in (-signal.SIGINT, 128 + signal.SIGINT), done.stdout) == (True, "")
    assert done.stderr.startswith("interrupted: ")
    assert len(done.stderr.splitlines()) == 1


def test_missing_dependencies_are_an_error_of_one_line() -> None:
    """With `-S`, Python finds no installed package."""
    caught = "try: import stages\nexcept ImportError as error: print(error)"
    done = subprocess.run([sys.executable, "-S", "-c", caught], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "make install" in done.stdout
    command = [sys.executable, "-S", "-m", "stages.download"]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert "make install" in run.stderr
    assert "source .venv/bin/activate" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_low_memory_limit_is_an_error_of_run_only() -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({10**9}, {10**9})); import stages\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + program("pass")],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "memory limit" in done.stderr
