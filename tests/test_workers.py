"""Tasks in other processes: the same results as in one, whatever becomes of a worker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import pandas as pd
import pytest

from stages import workers
from stages.console import UserError
from stages.contracts.features import FEATURES
from stages.contracts.reviews import RAW, read_details
from stages.download import __main__ as download
from stages.download import encoder, files
from stages.vectorize import __main__ as vectorize
from tests.conftest import ROOT, write_params


def kill(task: tuple[Path, int]) -> int:
    """Kill this worker at number 2, unless a file is there; it is there the next time."""
    mark, number = task
    if number == 2 and not mark.exists():
        mark.parent.mkdir(exist_ok=True)
        if mark.name == "once":
            mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def kill_scheduler(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    time.sleep(60)


def refuse(number: int) -> int:
    raise UserError(f"number {number} is not to be had")


@pytest.fixture(autouse=True)
def _end() -> Iterator[None]:
    """End the workers, which have this test's working directory."""
    yield
    workers._end()


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIHOT_WORKERS", "2")


@pytest.mark.usefixtures("two")
def test_a_killed_worker_is_replaced_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert workers.run(kill, [(tmp_path / "once", number) for number in range(6)], 0, "work") == list(range(6))
    assert "trying the rest again" in capfd.readouterr().out
    with pytest.raises(UserError, match=r"^work: a worker ended at task [012] or shortly after it, twice") as caught:
        workers.run(kill, [(tmp_path / "each", n) for n in range(6)], 0, "work", [f"task {n}" for n in range(6)])
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.usefixtures("two")
def test_an_error_of_a_task_is_raised_here() -> None:
    with pytest.raises(UserError, match=r"^number [01] is not to be had$"):
        workers.run(refuse, (0, 1, 2), 0, "work")


def test_small_input_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.delenv("MULTIHOT_WORKERS", raising=False)
    for size, is_here in ((workers.SMALL - 1, True), (workers.SMALL, False)):
        assert (workers.run(process, range(3), size, "work") == [os.getpid()] * 3) == is_here


def process(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("number", ["0", "-1", "all"])
def test_a_number_of_workers_that_is_none(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv("MULTIHOT_WORKERS", number)
    with pytest.raises(UserError, match=rf"MULTIHOT_WORKERS is '{number}'"):
        workers.run(refuse, [1], 0, "work")


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_program(tmp_path: Path, kind: signal.Signals) -> None:
    code = "import tests.test_workers as t; from stages import console; console.run(t.wait, None)"
    program = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MULTIHOT_WORKERS": "2"}, start_new_session=True,
    )  # fmt: skip
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    if kind == signal.SIGINT:
        os.killpg(program.pid, kind)  # as Ctrl-C does
    else:
        program.send_signal(kind)
    _, said = program.communicate(timeout=60)
    until(lambda: not any(map(is_running, pids)))
    assert "Traceback" not in said
    assert said.count("interrupted") == (kind != signal.SIGKILL)


def wait() -> None:
    workers.run(sleep, range(4), 0, "sleeping")


def sleep(_: int) -> None:
    Path(str(os.getpid())).touch()
    time.sleep(600)


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def prepare(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write reviews in several files, which are read in small stretches and written in small parts."""
    monkeypatch.setattr(files, "_STRETCH", 1 << 12)
    monkeypatch.setattr(encoder, "PART_ROWS", 100)
    frame = pd.DataFrame({"text": [f'word{n % 7} "a", b{n}\nend {n}' * 9 for n in range(200)], "year": range(200)})
    frame["label"] = [n % 2 for n in range(200)]
    own = folder / "data/own"
    own.mkdir(parents=True)
    frame.to_csv(own / "a.csv", index=False)
    frame.to_json(own / "b.jsonl", orient="records", lines=True)
    frame.to_csv(own / "c.csv.gz", index=False)
    frame.to_parquet(own / "d.parquet", row_group_size=30)
    bare = "".join(f'6" screen {n},{n % 2},{n}\n' for n in range(2000))  # where a text ends cannot be told by counting
    (own / "e.csv").write_text(f"text,label,year\n{bare}")
    data = {"sources": ["files"], "files": {"train": ["*.*"], "slices": ["year"]}}
    write_params(folder, {"data": data, "vectorize": {"ngrams": 2, "min_count": 2, "rows_per_part": 70}})


def written(monkeypatch: pytest.MonkeyPatch, number: str) -> dict[str, bytes]:
    """Return the files in data/raw and data/features that so many workers write, with nothing in the cache folder."""
    monkeypatch.setenv("MULTIHOT_WORKERS", number)
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.cwd() / number))
    download.main()
    vectorize.main()
    return {str(path): path.read_bytes() for folder in (RAW, FEATURES) for path in folder.rglob("*.*")}


def test_no_byte_shows_the_number_of_workers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(folder, monkeypatch)
    one = written(monkeypatch, "1")
    assert one == written(monkeypatch, "2") == written(monkeypatch, "5")
    assert len(one) > 100
    assert len(list((folder / "1/multihot/tokens").iterdir())) > 20
    details = pd.concat([read_details("train"), read_details("test")])
    rows = dict.fromkeys(["a.csv", "b.jsonl", "c.csv.gz", "d.parquet"], 200) | {"e.csv": 2000}
    assert details.groupby("file").size().to_dict() == rows
    assert (details["row"] == details["year"].astype(int) + 1).all()


def test_no_byte_shows_a_cluster(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepare(folder, monkeypatch)
    one = written(monkeypatch, "1")
    processes: Any = distributed.LocalCluster
    with processes(2, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
        assert workers.run(kill, [(tmp_path / "once", number) for number in range(6)], 0, "work") == list(range(6))
        assert written(monkeypatch, "2") == one
    monkeypatch.setattr(workers, "_TIMEOUT", 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^no scheduler answers at DASK_SCHEDULER_ADDRESS=tcp://127.0.0.1:9 "):
        workers.run(refuse, [1, 2], 0, "work")


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Start a scheduler and a worker with two threads, and yield the scheduler's process number."""
    file = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(file), "--no-dashboard"]
    programs = []
    for role in (["scheduler", "--host", "127.0.0.1", "--port", "0"], ["worker", "--no-nanny", "--nthreads", "2"]):
        command = [sys.executable, "-m", "dask", *role, *options]
        programs.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, text=True))
        until(file.exists)
    until(lambda: file.read_text().endswith("}"))
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", json.loads(file.read_text())["address"])
    yield programs[0].pid
    for program in programs:
        program.kill()
        program.wait()


def test_a_killed_scheduler_is_an_error(
    scheduler: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "_TIMEOUT", 3)
    with pytest.raises(UserError, match=r"^no scheduler answers at DASK_SCHEDULER_ADDRESS=tcp"):
        workers.run(kill_scheduler, [scheduler] * 2, 0, "work")
    output = "".join(capfd.readouterr())
    assert "a worker or the scheduler ended at" in output
    assert "Traceback" not in output
