"""Files at an address that fsspec reads, such as s3://bucket/reviews, where other files have a path."""

import io
from pathlib import Path
from typing import Any, BinaryIO

from stages.console import UserError, one_line

_BLOCK = 1 << 20
"""Bytes that are fetched at a time; some packages would fetch 50 MB."""


def folder_at(name: str) -> Path:
    """Return the folder of your own reviews: a path or, for an address, what has the methods of a path.

    Raises:
        UserError: the address cannot be read: a package or credentials are missing, for example.
    """
    if "://" not in name:
        return Path(name)
    try:
        from upath import UPath

        found: Any = UPath(name)
        found.exists()
    except Exception as error:  # each package has its own
        raise UserError(
            f"data.files.folder in params.yaml is {name!r}, which cannot be read ({one_line(error)}).\n"
            "Install what DVC needs for it, such as `pip install 'dvc[s3]'`, and see to credentials (docs/scale.md)"
        ) from None
    return found  # type: ignore[no-any-return]


def open_binary(path: Path) -> BinaryIO:
    """Open a file, to read its bytes."""
    if "://" not in str(path):
        return path.open("rb")
    open_there: Any = path.open
    return io.BufferedReader(open_there("rb", block_size=_BLOCK))
