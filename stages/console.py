"""How a stage talks to the person who runs it: lines of progress, one-line errors, exit codes."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn


class UserError(Exception):
    """Something the user can mend: its text says what was wrong, where, what was expected and what to do."""


def say(line: str) -> None:
    """Print one line at once, so that it is seen while the work goes on."""
    print(line, flush=True)


def run(main: Callable[[], None], description: str | None) -> NoReturn:
    """Run a stage's `main` as a program and exit.

    Args:
        main: the stage. It takes no arguments: its parameters are in params.yaml.
        description: what `--help` prints.

    Exits with 0 when done, 1 with a line for an error that a user can mend, 2 for arguments it does not know,
    130 when interrupted. Any other exception is a defect of the stage, and keeps its traceback.
    """
    spec = sys.modules["__main__"].__spec__
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name.removesuffix('.__main__')}" if spec else None,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'I/O'}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("interrupted: nothing half-written was kept", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
