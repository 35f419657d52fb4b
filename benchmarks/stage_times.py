"""Where one stage spends its time: `python -m benchmarks.stage_times NAME`, in the folder where DVC would run it.

It runs the stage's `main` with clocks around imports and around what reads and writes files; the rest is computing.
What a second thread reads while the first one computes does not count: the stage does not wait for it.
"""

import builtins
import functools
import importlib
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from benchmarks import measure

KINDS = ("import", "read", "compute", "write")


class Ledger:
    """Seconds of the main thread by kind; what an inner kind takes does not count towards the outer one."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(KINDS, 0.0)
        self._kinds = ["compute"]
        self._since = time.perf_counter()

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Count what happens inside as `kind`."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.turn()
        self._kinds.append(kind)
        try:
            yield
        finally:
            self.turn()
            self._kinds.pop()

    def turn(self) -> None:
        """Write down the time since the last turn."""
        now = time.perf_counter()
        self.seconds[self._kinds[-1]] += now - self._since
        self._since = now

    def function(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, counted as `kind`: a generator that it returns too, but not one that it is given."""

        @functools.wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            arguments = tuple(self._each("compute", each) if inspect.isgenerator(each) else each for each in arguments)
            with self.of(kind):
                result = function(*arguments, **named)
            return self._each(kind, result) if inspect.isgenerator(result) else result

        return counted

    def _each(self, kind: str, items: Iterable[Any]) -> Iterator[Any]:
        iterator, end = iter(items), object()
        while True:
            with self.of(kind):
                item = next(iterator, end)
            if item is end:
                return
            yield item

    def files(self, module: ModuleType) -> None:
        """Count a module's functions by their names: read_..., write_..."""
        for name, function in list(vars(module).items()):
            kind = name.partition("_")[0]
            if kind in ("read", "write") and callable(function):
                setattr(module, name, self.function(kind, function))

    def imports(self) -> None:
        """Count the outermost of nested imports."""
        original = builtins.__import__

        def counted(*arguments: Any, **named: Any) -> ModuleType:
            if self._kinds[-1] == "import":
                return original(*arguments, **named)
            with self.of("import"):
                return original(*arguments, **named)

        builtins.__import__ = counted


def main() -> dict[str, float]:
    """Run the stage, and return its seconds by kind."""
    name = sys.argv.pop(1)
    ledger = Ledger()
    ledger.imports()
    with ledger.of("import"):
        stage = importlib.import_module(f"stages.{name}.__main__")
    ledger.files(sys.modules["stages.artifacts"])
    if name == "download":
        from stages.download import fetch, imdb

        ledger.files(imdb)
        fetch.get = ledger.function("read", fetch.get)
    stage.main()
    ledger.turn()
    return ledger.seconds


if __name__ == "__main__":
    measure.report(main)
