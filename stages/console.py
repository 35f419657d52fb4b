"""How a program of this project talks to its user: progress in lines, errors in one line, exit codes."""

import argparse
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from stages import dependencies

MIN_MEMORY = 2500
"""MB of address space that TensorFlow needs to start. With less it ends without a message."""
NO_MEMORY = (
    "memory ran out: free some, or lower vectorize.rows_per_part, train.batch_size or train.hidden_units in params.yaml"
)


class UserError(Exception):
    """An error that the user can fix. Its text says what was wrong, where, what was expected and what to do."""


class UsageError(UserError):
    """Command-line arguments that do not fit together. The usage is printed before the text."""


def say(line: str) -> None:
    """Print a line without waiting for the buffer to fill, so that it is seen while the work goes on.

    Raises:
        UserError: The line cannot be written, for example because the disk is full.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"cannot write to standard output ({error.strerror}): check where it goes") from None


def one_line(text: object) -> str:
    r"""Return the first line of a message from a library or a file, in at most 200 printable characters.

    For an exception without a message this is the name of its class.

    >>> one_line("no such\x1b[1m column\nin this file")
    'no such?[1m column'
    """
    line = (str(text) or type(text).__name__).split("\n", 1)[0][:200]
    return "".join(character if character.isprintable() else "?" for character in line)


def run(
    main: Callable[..., None],
    description: str | None,
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> NoReturn:
    """Run `main` as a program and exit.

    The exit code is 0 for success, 1 for an error that the user can fix, 2 for wrong arguments, 130 after SIGINT, 143
    after SIGTERM, and 141 when the reader of the output has gone. Any other exception is a bug and keeps its traceback.

    Args:
        main: The program. A stage takes no arguments: its parameters are in params.yaml.
        description: What `--help` prints.
        arguments: Adds the program's arguments to a parser. `main` gets them by name.
    """
    spec = sys.modules["__main__"].__spec__
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name.removesuffix('.__main__')}" if spec else None,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments(parser)
    try:
        values = vars(parser.parse_args())
        with _interruptible():
            _require_memory()
            main(**values)
            print(end="", flush=True)
            dependencies.finish()
    except UsageError as error:
        parser.error(str(error))
    except BrokenPipeError:
        sys.exit(141)  # what a shell reports for a program that SIGPIPE ended
    except _Interrupted as interrupt:
        sys.exit(128 + interrupt.number)
    except Exception as error:
        if (message := _message(error)) is None:
            raise
        sys.exit(f"error: {message}")
    finally:
        _discard_unwritten()
    sys.exit(0)


def _discard_unwritten() -> None:
    """Discard what standard output does not accept.

    Otherwise Python tries to write it again at exit. Python 3.13.5 then exits with 120, whatever the code was.
    """
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _message(error: Exception) -> str | None:
    """Return what to print of an error, or None for a bug."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'I/O'}: {error.strerror or error}"
    # TensorFlow's own error for this is recognized by its name, because importing TensorFlow takes seconds.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return NO_MEMORY
    return None


def _require_memory() -> None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < MIN_MEMORY << 20:
        raise UserError(
            f"the memory limit is {limit >> 20} MB; expected at least {MIN_MEMORY} MB: raise it with `ulimit -v`"
        )


class _Interrupted(BaseException):
    """A signal ended the program, after it removed what was half-written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


_INTERRUPTED = b"interrupted: no result was left half-written\n"
_half_written: list[str] = []


@contextmanager
def cleanup_on_interrupt(what: str) -> Iterator[None]:
    """Mark `what` as half-written during a block, so that an interrupt raises KeyboardInterrupt and is cleaned up."""
    _half_written.append(what)
    try:
        yield
    finally:
        _half_written.remove(what)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT or SIGTERM end a block with one line.

    If nothing is half-written, the program ends at once: an exception in the middle of an import or of a library call
    may be swallowed. Otherwise the signal raises KeyboardInterrupt, and whatever becomes of that, the block ends with
    `_Interrupted`. A second signal, or one after the block, ends the program without a line.

    Raises:
        _Interrupted: A signal came while something was half-written.
    """
    signals = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    received: list[int] = []

    def handle(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
        for number in signals:
            signal.signal(number, handler)

    def interrupt(number: int, _: FrameType | None) -> None:
        handle(signal.SIG_DFL)
        os.write(sys.stderr.fileno(), _INTERRUPTED)  # not print: the signal may have come in the middle of one
        if not _half_written:
            os._exit(128 + number)
        received.append(number)
        raise KeyboardInterrupt

    handle(interrupt)
    try:
        yield
    except BaseException:
        if not received:
            raise
    finally:
        handle(signal.SIG_DFL)
    if received:
        raise _Interrupted(received[0])
