"""Limits of time and memory for an example."""

import faulthandler
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 10
"""The limit for an example. It is a hundred times what the slowest takes, because the machine may be busy."""
GROWTH = 256 << 20
"""The number of bytes by which an example may increase the peak of memory."""


class Hang(AssertionError):
    """An example took more than `SECONDS`."""


@contextmanager
def bounded() -> Iterator[None]:
    """Fail if the block exceeds the limits, even if it catches the exception that stops it."""
    late = []

    def stop(*_: object) -> None:
        late.append(True)
        raise Hang(f"no end after {SECONDS} seconds")

    before = peak(anew=True)
    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(12 * SECONDS, exit=True)  # the alarm waits for C code to return
    try:
        yield
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, previous)
    assert not late, f"no end after {SECONDS} seconds"
    assert peak() - before <= GROWTH, f"memory grew by {peak() - before >> 20} MiB"


def peak(*, anew: bool = False) -> int:
    """Return the peak of the memory of the process in bytes. `anew` resets it, on Linux."""
    if anew and sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
