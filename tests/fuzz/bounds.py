"""What an example may take of time and memory."""

import faulthandler
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 10
"""What an example may take: a hundred times what any takes, since the machine may have other work."""
GROWTH = 256 << 20
"""Bytes that memory may grow by at an example's peak."""


class Hang(AssertionError):
    """An example took more than `SECONDS`."""


@contextmanager
def bounded() -> Iterator[None]:
    """Fail when the block takes too long or too much memory, even if it swallows the exception that stops it."""
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
    """The most memory that the process has had, in bytes; `anew`: from now on, where the system can do that."""
    if anew and sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
