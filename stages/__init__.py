"""The pipeline: download, vectorize, train, evaluate. Each stage is a folder; `python -m stages.NAME` runs it."""

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
