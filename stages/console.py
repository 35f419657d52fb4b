"""How a stage talks to the person who runs it: lines of progress, one-line errors, exit codes."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class UserError(Exception):
    """Something the user can mend: its text says what was wrong, where, what was expected and what to do."""


NO_MEMORY = (
    "memory ran out: free some, or lower vectorize.rows_per_part, train.batch_size or train.hidden_units in params.yaml"
)


class UsageError(UserError):
    """A way of calling a program that it does not have; its usage is printed before the text."""


def say(line: str) -> None:
    """Print one line at once, so that it is seen while the work goes on."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"what is printed cannot be written ({error.strerror}): see where it goes") from None


def one_line(text: object) -> str:
    r"""The first line of what a library or a file says, in 200 characters that any terminal can show.

    An exception that says nothing is named by its kind.

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

    Args:
        main: the program. A stage takes no arguments: its parameters are in params.yaml.
        description: what `--help` prints.
        arguments: adds to a parser the arguments of the program, which `main` gets by their names.

    Exits with 0 when done, 1 with a line for an error that a user can mend, 2 for arguments it does not know,
    130 when interrupted, 143 when asked to end, 141 without a word when nobody reads on what it prints. Any other
    exception is a defect, and keeps its traceback.
    """
    spec = sys.modules["__main__"].__spec__
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name.removesuffix('.__main__')}" if spec else None,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments(parser)
    values = vars(parser.parse_args())
    try:
        with _interruptible():
            main(**values)
            print(end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again as it ends
        sys.exit(141)  # as a shell says of programs that the signal ends
    except UsageError as error:
        parser.error(str(error))
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'I/O'}: {error.strerror or error}")
    except _Stopped as stopped:
        sys.exit(128 + stopped.number)
    except Exception as error:
        # TensorFlow's error for this goes by its name, since importing it takes seconds.
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            sys.exit(f"error: {NO_MEMORY}")
        raise
    sys.exit(0)


class _Stopped(BaseException):
    """The program was interrupted, or asked to end, and what was half done is tidied away."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


_INTERRUPTED = b"interrupted: no result was left half-written\n"
_half_done: list[str] = []


@contextmanager
def cleanup_on_interrupt(what: str) -> Iterator[None]:
    """Say that `what` is half done while a block runs: an interrupt is raised in it, so that it can tidy that away."""
    _half_done.append(what)
    try:
        yield
    finally:
        _half_done.remove(what)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT or SIGTERM end a block with a line: at once or, where something is half done, as an error would.

    At once, because an error in the middle of an import, or of what a library does, may be passed over. After the first
    one, and after the block, they end the program without a word, as while it imports.

    Raises:
        _Stopped: whatever has become of the interrupt on its way.
    """
    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    asked: list[int] = []

    def listen(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
        for number in heard:
            signal.signal(number, handler)

    def stop(number: int, _: FrameType | None) -> None:
        listen(signal.SIG_DFL)
        os.write(sys.stderr.fileno(), _INTERRUPTED)  # not print, which may be in the middle of a line
        if not _half_done:
            os._exit(128 + number)
        asked.append(number)
        raise KeyboardInterrupt

    listen(stop)
    try:
        yield
    except BaseException:
        if not asked:
            raise
    finally:
        listen(signal.SIG_DFL)
    if asked:
        raise _Stopped(asked[0])
