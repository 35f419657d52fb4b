"""How files are written and read, whatever they hold.

A file is written beside its destination and renamed when it is complete. A file that is missing or damaged gives an
error that names the file, what is wrong with it, and the command that builds it again.
"""

import json
import os
import shutil
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages import dependencies
from stages.console import UserError, cleanup_on_interrupt, one_line

DAMAGE = (OSError, ValueError, EOFError, tokenize.TokenError, pa.ArrowException)
"""What NumPy, pandas, json, pydantic, PyArrow and `require` raise for a damaged file (TokenError: an npy header)."""
BAD_ZIP = (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError)
"""What zipfile raises: KeyError for a missing member, RuntimeError for an encrypted one or an unknown compression."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file or a folder to, and rename it to `path` after the block.

    Until then `path` stays as it was. When the block raises, what it wrote is removed.

    Raises:
        UserError: The disk is full, the place cannot be written to, or an input of the running stage has changed.
    """
    beside = path.with_name(f".{path.name}.partial")
    with cleanup_on_interrupt(str(path)):
        try:
            _remove(beside)
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            dependencies.check()
            if beside.is_dir():
                _remove(path)
            beside.replace(path)
        except BrokenPipeError:  # from printing in the block
            raise
        except OSError as error:
            raise UserError(f"{path} cannot be written ({_reason(error)}): fix that, then run it again") from None
        finally:
            _remove(beside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def checked_read(path: Path, stage: str, damage: tuple[type[Exception], ...] = DAMAGE) -> Iterator[None]:
    """Turn what libraries raise for a missing or damaged file into an error that names the file and the remedy.

    Any other exception passes, since it is a bug.

    Args:
        path: The file that the block reads.
        stage: The stage that writes it.
        damage: What the block raises for a damaged file.

    Raises:
        UserError: The file is missing, unreadable, damaged, too large for memory, or dvc.yaml does not list it as a
            dependency of the running stage.
    """
    dependencies.require_listed(path)
    remedy = f"restore it with `dvc repro` or, if that does not help, `dvc repro --force --single-item {stage}`"
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing: build it with `dvc repro {stage}`, in the project's folder") from None
    except MemoryError:
        raise UserError(
            f"{path} does not fit into memory: free some, lower vectorize.rows_per_part in params.yaml or, "
            f"if the file is damaged, {remedy}"
        ) from None
    except damage as error:
        if isinstance(error, OSError) and error.errno:  # from the system; PyArrow and h5py raise it without a number
            raise UserError(f"{path} cannot be read ({_reason(error)}): fix that, then run it again") from None
        raise UserError(f"{path} is damaged ({_reason(error)}): {remedy}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return one_line(error).rstrip(".:")


def require(condition: bool, expected: str) -> None:
    """Within `checked_read`: report the file as damaged unless the condition holds."""
    if not condition:
        raise ValueError(f"expected {expected}")


@contextmanager
def checked_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for reading, after comparing each member with its CRC.

    Reading alone does not detect all damage: `zipfile` compares a CRC only when a member is read from start to end, and
    since Python 3.13 not after a seek, and NumPy and h5py seek. The check takes 0.3 ms for a model of 1.3 MB, 9 ms for
    a part of 25 MB, and 0.2 s for imdb.npz, which is compressed.

    Raises:
        zipfile.BadZipFile: A member does not match its CRC, or the file is no zip file.
    """
    with zipfile.ZipFile(path) as members:
        damaged = members.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"member {damaged} does not match its CRC-32")
        yield members


ALL_ROWS = "as many rows as the file says it has"


def check_schema(found: pa.Schema, schema: pa.Schema) -> None:
    """Within `checked_read`: report a table with other columns, or of other types, as damaged."""
    require(found.equals(schema), f"the columns {', '.join(f'{field.name}: {field.type}' for field in schema)}")


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Within `checked_read`: read a small Parquet file that may hold no nulls."""
    with pq.ParquetFile(path) as file:
        table = file.read(use_threads=False)  # one thread: no pool to wait for where memory is short
        require(len(table) == file.metadata.num_rows, ALL_ROWS)
    check_schema(table.schema, schema)
    require(not any(column.null_count for column in table.columns), "a value in every row")
    return table


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON that ends in a newline."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_table(path: Path, schema: pa.Schema, columns: Sequence[Any]) -> None:
    """Write a small Parquet file. The columns are in the order of the schema."""
    pq.write_table(pa.table(list(columns), schema=schema), path, compression="zstd")


def count_rows(path: Path, stage: str) -> int:
    """Return the number of rows in the metadata of a Parquet file that `stage` writes."""
    with checked_read(path, stage):
        rows: int = pq.read_metadata(path).num_rows
        return rows


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` for what Keras saves, and for its temporary files.

    A killed process leaves the folder behind, and the next one removes it. In the system's folder for temporary files
    nobody would.
    """
    folder = path.with_name(f"{path.name}.scratch")
    _remove(folder)
    folder.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        _remove(folder)
