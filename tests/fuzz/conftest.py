"""Fuzzing with Hypothesis: any input gives a documented error or a correct result, in bounded time and memory.

The suite tries a few examples, always the same ones. `make fuzz MINUTES=30` spends that time on random ones, an equal
share for each test, and prints how many it tried.
"""

import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Hypothesis keeps tables of Unicode there, which git and DVC must not see.
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).resolve().parents[2] / ".pytest_cache" / "hypothesis")
)

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.bounds import bounded

MINUTES = float(os.environ.get("FUZZ_MINUTES") or 0)

settings.register_profile(
    "short", deadline=None, database=None, derandomize=True, max_examples=30, suppress_health_check=list(HealthCheck)
)
settings.register_profile("long", settings.get_profile("short"), derandomize=False, max_examples=200)
settings.load_profile("long" if MINUTES else "short")

tried: Counter[str] = Counter()
share = 0.0
"""Seconds for each test of a long run."""


def guarded(name: str, test: Callable[..., None]) -> Callable[..., None]:
    """A test's function of one example, counted and bounded."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        tried[name] += 1
        with bounded():
            test(*arguments, **named)

    return run


def fuzzed(item: pytest.Item) -> bool:
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    global share
    share = 60 * MINUTES / max(1, sum(map(fuzzed, items)))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if not fuzzed(item):
        return (yield)
    test = item.obj.hypothesis  # type: ignore[attr-defined]
    inner = test.inner_test
    test.inner_test = guarded(item.nodeid.removeprefix("tests/fuzz/"), inner)
    end = time.monotonic() + share
    try:
        yield
        while time.monotonic() < end:
            item.runtest()
    finally:
        test.inner_test = inner


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MINUTES:
        terminalreporter.section("examples tried")
        for name, count in tried.items():
            terminalreporter.write_line(f"{count:>9,}  {name}")
