"""Predict the rows of a large file on all cores, in their order. Each process reads a stretch of the file."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from stages import workers
from stages.console import UserError
from stages.contracts.model import MODEL
from stages.predict.model import Answer, Model, read_model
from stages.predict.show import short
from stages.tables import reader, stretches
from stages.tables.layout import Layout

_STRETCH = 4 << 20
"""Bytes that are predicted at a time, by one process."""
_WAITING, _WAITING_SHORT = 32, 128
"""Stretches whose answers may wait to be printed, with whole texts and with short ones, to bound memory."""


class _Task(NamedTuple):
    models: Path
    stamp: int
    """When the model was written, so that a worker does not use the one before."""
    file: Path
    layout: Layout
    stretch: reader.Stretch
    explain: bool
    whole: bool


def answers(models: Path, file: Path, layout: Layout, *, explain: bool, whole: bool) -> Iterator[Answer]:
    """Yield the prediction for each row of a file, or its problem. Without `whole`, long texts may be cut off.

    If a stretch cannot be read, the file is read as a whole from there on. An error then names the row of the file.
    """
    done = 0
    for each in _in_parallel(models, file, layout, explain=explain, whole=whole):
        if each is None:
            break
        yield each
        done += 1
    else:
        return
    yield from read_model(models).answers(islice(reader.read(file, layout), done, None), explain=explain)


def _in_parallel(models: Path, file: Path, layout: Layout, *, explain: bool, whole: bool) -> Iterator[Answer | None]:
    """Yield what `answers` does, and None where the rest is to be read as a whole."""
    is_large = file.is_file() and workers.is_parallel(file.stat().st_size)
    parts = [each for each in stretches.cut(file, layout, _STRETCH) if each] if is_large else []
    if not parts:
        yield None
        return
    stamp, done = (models / MODEL.name).stat().st_mtime_ns, 0
    tasks = [_Task(models.resolve(), stamp, file.resolve(), layout, each, explain, whole) for each in parts]
    waiting = _WAITING if whole else _WAITING_SHORT
    for start in range(0, len(tasks), waiting):
        some = tasks[start : start + waiting]
        names = [f"{file}, from {each.stretch.start:,} on" for each in some]
        for found in workers.each(_predict, some, file.stat().st_size, "predict", names, bar=False):
            if isinstance(found, UserError):
                yield None
                return
            for each in found:
                row = each.row + done
                yield each._replace(row=row, where=f"{file}, row {row:,}")
            done += len(found)


def _predict(task: _Task) -> list[Answer] | UserError:
    try:
        rows = list(reader.read(task.file, task.layout, task.stretch))
    except UserError as error:
        return error
    found = _kept_model(task.models, task.stamp).answers(rows, explain=task.explain)
    return [each if task.whole else each._replace(text=short(each.text)) for each in found]


@lru_cache(maxsize=1)
def _kept_model(models: Path, _: int) -> Model:
    return read_model(models)
