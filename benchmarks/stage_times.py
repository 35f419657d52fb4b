"""Where a stage spends its time: `python -m benchmarks.stage_times NAME`, in the folder in which DVC would run it.

It runs the `main` of the stage with clocks around imports and around the functions that read and write files. The rest
is computing. Only the main thread counts, because the stage does not wait for what another thread reads ahead.
"""

import builtins
import functools
import gc
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
    """Seconds of the main thread by kind. The time of an inner kind does not count towards the outer kind."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(KINDS, 0.0)
        self._kinds = ["compute"]
        self._since = time.perf_counter()

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Count the time inside the `with` block as `kind`."""
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
        """Add the time since the last call to the current kind."""
        now = time.perf_counter()
        self.seconds[self._kinds[-1]] += now - self._since
        self._since = now

    def function(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time counts as `kind`.

        This includes a generator that it returns. A generator that it is given counts as computing.
        """

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
        """Count the functions of a module by their names: `read_...` and `write_...`."""
        for name, function in list(vars(module).items()):
            kind = name.partition("_")[0]
            if kind in ("read", "write") and inspect.isfunction(function):
                setattr(module, name, self.function(kind, function))

    def imports(self) -> None:
        """Count imports. An import within an import counts once."""
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
    gc.set_threshold(50_000)  # as `python -m stages.NAME` does, which also hides two packages from Keras
    if name == "train":
        sys.modules |= dict.fromkeys(("matplotlib", "sklearn"))  # type: ignore[arg-type]
    ledger = Ledger()
    ledger.imports()
    with ledger.of("import"):
        # All modules of the stage, because those that `main` imports later would not be counted.
        modules = [path.stem for path in sorted((measure.ROOT / "stages" / name).glob("*.py"))]
        loaded = {module: importlib.import_module(f"stages.{name}.{module}") for module in modules}
    for module in [module for path, module in sys.modules.items() if path.startswith("stages.")]:
        ledger.files(module)
    loaded["__main__"].main()
    ledger.turn()
    return ledger.seconds


if __name__ == "__main__":
    measure.report(main)
