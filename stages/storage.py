"""How files are written and read, whatever they hold: whole or not at all, and checked.

What is written goes beside its destination first, and is renamed when it is whole. What is read is as expected, or else
an error names the file, what is wrong with it, and the stage that builds it anew.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.console import UserError, cleanup_on_interrupt, one_line


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` for a file or folder to be written to, and rename it to `path` when that went well.

    Whatever was at `path` stays until then. When the block raises, what it wrote is removed.

    Raises:
        UserError: the disk is full, or the place cannot be written to.
    """
    beside = path.with_name(f".{path.name}.partial")
    with cleanup_on_interrupt(str(path)):
        try:
            _remove(beside)
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            if beside.is_dir():
                _remove(path)
            beside.replace(path)
        except BrokenPipeError:  # of what is printed meanwhile
            raise
        except OSError as error:
            raise UserError(
                f"{path} cannot be written ({_first_line(error)}): see to that, then run it again"
            ) from None
        finally:
            _remove(beside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def checked_read(path: Path, stage: str) -> Iterator[None]:
    """Turn what libraries say of a file that is missing or damaged into a line that names the file and the remedy.

    Args:
        path: the file.
        stage: which writes it.

    Raises:
        UserError: in place of any error in the block.
    """
    remedy = f"restore it with `dvc repro` or, if that does not help, `dvc repro --force --single-item {stage}`"
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing: build it with `dvc repro {stage}`, in the project's folder") from None
    except UserError:
        raise
    except MemoryError:
        raise UserError(
            f"{path} does not fit into memory: free some, lower vectorize.rows_per_part in params.yaml or, "
            f"if the file is damaged, {remedy}"
        ) from None
    except Exception as error:  # damage shows as almost anything: each library trips over it in its own way
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"{path} cannot be read ({_first_line(error)}): see to that, then run it again") from None
        raise UserError(f"{path} is damaged ({_first_line(error)}): {remedy}") from None


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return one_line(error).rstrip(".:")


def require(condition: bool, expected: str) -> None:
    """Within `checked_read`: a file that does not hold what is expected is damaged."""
    if not condition:
        raise ValueError(f"expected {expected}")


ALL_ROWS = "as many rows as the file says it has"


def check_schema(found: pa.Schema, schema: pa.Schema) -> None:
    """Within `checked_read`: a table of other columns, or of other types, is damaged."""
    require(found.equals(schema), f"the columns {', '.join(f'{field.name}: {field.type}' for field in schema)}")


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Within `checked_read`: a small Parquet file, without a null in it."""
    with pq.ParquetFile(path) as file:
        table = file.read(use_threads=False)  # one thread: no pool to wait for where memory is short
        require(len(table) == file.metadata.num_rows, ALL_ROWS)
    check_schema(table.schema, schema)
    require(not any(column.null_count for column in table.columns), "a value in every row")
    return table


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON for people: indented, with a line end."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_table(path: Path, schema: pa.Schema, columns: Sequence[Any]) -> None:
    """Write a small Parquet file, its columns in the order of the schema."""
    pq.write_table(pa.table(list(columns), schema=schema), path, compression="zstd")


def count_rows(path: Path, stage: str) -> int:
    """How many rows a Parquet file, which `stage` writes, says it has."""
    with checked_read(path, stage):
        rows: int = pq.read_metadata(path).num_rows
        return rows


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder beside `path` for what Keras saves, and for the temporary files that it makes meanwhile.

    Elsewhere those of a process that is killed would stay; here the next one removes them.
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
