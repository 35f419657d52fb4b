"""The pipeline: download, vectorize, train, evaluate. Each stage is a folder; `python -m stages.NAME` runs it."""

import gc
import sys
from importlib.util import find_spec
from types import TracebackType


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Report Ctrl-C in one line while `python -m stages.NAME` imports its modules, before `console.run` does."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted: nothing was written", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


if sys.argv[0] == "-m":
    sys.excepthook = _report
    # By default, Python looks for unused objects after 700 new ones (2,000 in Python 3.13). In `train`, this takes a
    # third of the time of the imports.
    gc.set_threshold(50_000)

_NEEDED = (
    "jinja2", "joblib", "keras", "matplotlib", "numpy", "pandas", "pathspec", "pooch", "pyarrow", "pydantic", "ruamel",
    "scipy", "sklearn", "tensorflow", "tqdm",
)  # fmt: skip

if _missing := [name for name in _NEEDED if find_spec(name) is None]:
    # With a name, `python -m stages.NAME` prints the text in one line, without a traceback.
    raise ImportError(
        f"{sys.executable} lacks {', '.join(_missing)}. Run `make install` once, then `source .venv/bin/activate`",
        name=__name__,
    )

from stages import dependencies  # noqa: E402 - only now it is known that all packages are there

dependencies.note()
