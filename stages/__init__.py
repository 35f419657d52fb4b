"""The pipeline: download, vectorize, train, evaluate. Each stage is a folder; `python -m stages.NAME` runs it."""

import resource
import signal
import sys
from importlib.util import find_spec

_NEEDED = (
    "jinja2", "keras", "matplotlib", "numpy", "pyarrow", "pydantic", "requests", "ruamel", "scipy", "sklearn",
    "tensorflow", "tqdm",
)  # fmt: skip

if _missing := [name for name in _NEEDED if find_spec(name) is None]:
    sys.exit(
        f"error: {sys.executable} lacks {', '.join(_missing)}: it is not the project's Python.\n"
        "Run `make install` once, then `source .venv/bin/activate`, and try again."
    )

_LEAST = 2500
"""MB of address space that TensorFlow takes to start; with less it dies without a word."""
if 0 <= (_limit := resource.getrlimit(resource.RLIMIT_AS)[0] // 2**20) < _LEAST:
    sys.exit(f"error: the limit of memory is {_limit} MB; expected {_LEAST} at least: raise it with `ulimit -v`")

# While a program still imports, an interrupt ends it at once: there is nothing to tidy up, and what an exception in the
# middle of an import becomes is anyone's guess. Then `stages.console.run` takes over.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
