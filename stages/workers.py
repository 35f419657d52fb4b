"""Run independent tasks on all cores or, if there is one, on a Dask cluster. The results do not depend on where.

MULTIHOT_WORKERS is the number of processes, by default the number of cores; 1 runs all tasks in this process. With
DASK_SCHEDULER_ADDRESS the tasks run on the workers of that cluster (docs/scale.md).
"""

import asyncio
import atexit
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from stages.console import UserError, cleanup_on_interrupt, one_line, say

SMALL = 48 << 20
"""Bytes of input for which other processes take longer to start than they save."""
_ATTEMPTS = 2
_TIMEOUT = 10
"""Seconds to wait for a scheduler."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def run(
    function: Callable[[_Task], _Result], tasks: Sequence[_Task], size: int, what: str, names: Sequence[object] = ()
) -> list[_Result]:
    """Return the result of each task, in their order. The arguments are those of `each`."""
    return list(each(function, tasks, size, what, names))


def each(
    function: Callable[[_Task], _Result],
    tasks: Sequence[_Task],
    size: int,
    what: str,
    names: Sequence[object] = (),
    *,
    bar: bool = True,
) -> Iterator[_Result]:
    """Yield the result of each task, in their order, with a progress bar on a terminal.

    Args:
        function: a function of a module, which runs in another process. What it raises is raised here.
        tasks: its arguments.
        size: the bytes that all tasks read. Less than `SMALL` is read in this process, unless MULTIHOT_WORKERS is set.
        what: what the progress bar is called.
        names: what errors call each task, by default the task itself.
        bar: whether to show the progress bar.

    Raises:
        UserError: a worker ended before its task was done, twice; or no scheduler answers; or Dask is not installed;
            or MULTIHOT_WORKERS is not a whole number from 1.
    """
    from tqdm import tqdm

    with tqdm(total=len(tasks), desc=what, unit=" parts", disable=None if bar else True) as progress:
        if not is_parallel(size) or len(tasks) == 1:
            for task in tasks:
                yield function(task)
                progress.update()
            return
        done = 0
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with cleanup_on_interrupt(what), _engine() as parallel:
                    for result in _dispatch(parallel, function, tasks[done:]):
                        yield result
                        done += 1
                        progress.update()
                return
            except _lost() as error:
                ended = "a worker or the scheduler" if os.environ.get("DASK_SCHEDULER_ADDRESS") else "a worker"
                problem = f"{what}: {ended} ended at {(names or tasks)[done]} or shortly after it"
                if attempt == _ATTEMPTS:
                    raise UserError(
                        f"{problem}, twice ({one_line(error)}).\n"
                        "Is there enough memory? MULTIHOT_WORKERS=1 needs the least"
                    ) from None
                say(f"warning: {problem}; trying the rest again")


def is_parallel(size: int) -> bool:
    """Return whether tasks that read `size` bytes run in other processes."""
    if os.environ.get("DASK_SCHEDULER_ADDRESS"):
        return True
    return _processes() > 1 and (size >= SMALL or bool(os.environ.get("MULTIHOT_WORKERS")))


def _processes() -> int:
    """Return the number of processes to use: MULTIHOT_WORKERS, or the number of cores."""
    text = os.environ.get("MULTIHOT_WORKERS")
    if text and not (text.isdecimal() and int(text) > 0):
        raise UserError(f"MULTIHOT_WORKERS is {text!r}; expected a whole number from 1")
    if text:
        return int(text)
    import joblib

    return int(joblib.cpu_count())


_started = False
"""Whether there are other processes."""


@contextmanager
def _engine() -> Iterator[Any]:
    """Yield joblib's `Parallel`, which runs tasks on the Dask cluster or in processes of this machine.

    Later calls use the same processes again. The processes end when this process ends, or when the block raises.
    """
    import joblib

    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address:
        try:
            from distributed import Client
        except ImportError:
            raise UserError(
                "DASK_SCHEDULER_ADDRESS is set, but Dask is not installed: pip install .[cluster]"
            ) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it logs is raised, too
        try:
            client = Client(address, timeout=_TIMEOUT)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise UserError(f"no scheduler answers at DASK_SCHEDULER_ADDRESS={address} ({one_line(error)})") from None
        with client, joblib.parallel_config("dask", client=client):
            yield joblib.Parallel(return_as="generator")
        return
    # It warns of tasks without a use where an error ends the run. The error says why.
    warnings.filterwarnings("ignore", category=UserWarning, module="joblib.parallel")
    global _started
    _started = True
    start = {"initializer": _watch, "initargs": (os.getpid(),), "max_nbytes": None}
    try:
        yield joblib.Parallel(_processes(), backend="loky", return_as="generator", **start)
    except BaseException:
        _end()
        raise
    atexit.unregister(_end)
    atexit.register(_end)


def _end() -> None:
    """End the other processes, if there are any."""
    global _started
    if not _started:
        return
    _started = False
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _dispatch(parallel: Any, function: Callable[[_Task], _Result], tasks: Sequence[_Task]) -> Iterator[_Result]:
    """Start the workers with SIGINT blocked, which they inherit: Ctrl-C is for this process, which ends them."""
    import joblib

    resource_tracker.ensure_running()  # otherwise the workers' start would start it, which unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        results: Iterator[_Result] = parallel(joblib.delayed(function)(task) for task in tasks)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return results


def _watch(parent: int) -> None:
    """In a worker: end as soon as the process that started it has ended, even if it was killed."""

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _lost() -> tuple[type[BaseException], ...]:
    """Return the exceptions which mean that a worker or the scheduler ended before a task was done."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if not os.environ.get("DASK_SCHEDULER_ADDRESS"):
        return (BrokenProcessPool,)
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    return (BrokenProcessPool, KilledWorker, CommClosedError, CancelledError, asyncio.CancelledError)
