"""Measure a process from outside: its time, its peak memory, and what it printed when."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.console import UserError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Measured:
    """The measurements of a process."""

    seconds: float
    """From its start to its end."""
    peak_bytes: int
    """Peak resident memory of the largest process: the process itself or one of its descendants."""
    lines: list[tuple[float, str]]
    """The lines that it printed, each with the seconds since its start."""

    def figures(self) -> dict[str, Any]:
        """Return the figures that `report` printed."""
        content: dict[str, Any] = json.loads(self.lines[-1][1])
        return content


def process(command: Sequence[str], folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end.

    Call it from a small process: on Linux, the memory of a process counts towards the processes that it starts.

    Args:
        command: program and arguments.
        folder: the working directory.
        environment: variables to add to the environment of this process.

    Raises:
        UserError: the command failed. The message holds its stderr.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        began = time.perf_counter()
        # PYTHONPATH, so that Python finds the modules of this project from any folder.
        child = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        with child:
            lines = [(time.perf_counter() - began, line.rstrip("\n")) for line in child.stdout or ()]
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if child.returncode:
            errors.seek(0)
            raise UserError(_failure(command, child.returncode, errors.read().strip()))
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_maxrss * unit, lines)


def _failure(command: Sequence[str], code: int, errors: str) -> str:
    if errors.startswith("error: "):
        return errors.removeprefix("error: ")
    how = f"was ended by signal {-code} (9: out of memory?)" if code < 0 else f"failed with {code}"
    return f"`{' '.join(command[1:])}` {how}\n{errors}"


def module(name: str, *arguments: str, folder: Path = ROOT) -> Measured:
    """Run `python -m name arguments` with this Python."""
    return process([sys.executable, "-m", name, *arguments], folder)


def report(main: Callable[[], Mapping[str, Any]]) -> None:
    """Run `main`, and print the figures that it returns as JSON in the last line."""
    with errors_in_a_line():
        print(json.dumps(main()), flush=True)


@contextmanager
def errors_in_a_line() -> Iterator[None]:
    """End the program with one line for a user's mistake."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
