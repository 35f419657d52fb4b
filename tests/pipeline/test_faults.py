"""Stages on a full disk, with files that cannot be read or written, and with too little memory."""

import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from checks import clones
from tests.conftest import ROOT, UNPRIVILEGED
from tests.pipeline.conftest import STAGES, Clone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and small disks as Linux has them")


class Fault(NamedTuple):
    """A fault in the environment of a stage."""

    stage: str
    what: str
    prepare: Callable[[Path], object] = lambda _: None
    """Changes the project's folder before the run."""
    before: Sequence[str] = ()
    """Words before the command."""
    limits: Sequence[tuple[int, int]] = ()
    """Limits of `resource` with their values."""
    redirected: str = ""
    """The file that standard output goes to."""


def lines(count: int) -> Callable[[Path], None]:
    """Write own reviews, and parameters that use them."""

    def prepare(folder: Path) -> None:
        (folder / "data" / "own").mkdir(parents=True, exist_ok=True)
        rows = [f"{'good' if row % 2 else 'bad'} {'word ' * 4000},{row % 2}" for row in range(count)]
        (folder / "data" / "own" / "reviews.csv").write_text("\n".join(["text,label", *rows]))
        clones.set_params(folder, {"data": {"sources": ["files"]}})

    return prepare


def mode(path: str, bits: int) -> Callable[[Path], None]:
    return lambda folder: (folder / path).chmod(bits)


MB = 2**20
SMALL_DISK = ("unshare", "--mount", "--map-root-user", "sh", "-c")
FULL = 'mount -t tmpfs -o size=32k tmpfs "$0" && exec "$@"'
PLACES = [("download", "data"), ("vectorize", "data"), ("train", "models"), ("evaluate", "results")]

HISTORY, PROGRESS = "results/history.csv", "results/progress.json"
FAULTS = [
    *(Fault(stage, "files may not grow past 2 kB", limits=[(resource.RLIMIT_FSIZE, 2000)]) for stage in STAGES),
    Fault("download", "a disk of 32 kB", before=(*SMALL_DISK, FULL, "data")),
    Fault("download", "a disk for tokens of 32 kB", lines(40), before=(*SMALL_DISK, FULL, "temporary")),
    *(Fault(stage, f"`{place}/` cannot be written", mode(place, 0o555), UNPRIVILEGED) for stage, place in PLACES),
    Fault("vectorize", "an input that may not be read", mode("data/raw/train/part-00000.parquet", 0), UNPRIVILEGED),
    Fault("train", "an input that may not be read", mode("data/features/train/part-00000.npz", 0), UNPRIVILEGED),
    Fault("evaluate", "a model that may not be read", mode("models/model.keras", 0), UNPRIVILEGED),
    Fault("evaluate", "parameters that may not be read", mode("params.yaml", 0), UNPRIVILEGED),
    Fault("vectorize", "memory of 500 MB", limits=[(resource.RLIMIT_AS, 500 * MB)]),
    Fault(
        "train",
        "a network larger than memory",
        lambda folder: clones.set_params(folder, {"train": {"hidden_units": [65536, 65536]}}),
        limits=[(resource.RLIMIT_AS, 6000 * MB)],
    ),
    Fault("vectorize", "what is printed goes to a full disk", redirected="/dev/full"),
]


def run(folder: Path, fault: Fault) -> "subprocess.CompletedProcess[str]":
    def limit() -> None:
        for number, value in fault.limits:
            resource.setrlimit(number, (value, value))

    command = [*fault.before, sys.executable, "-m", f"stages.{fault.stage}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "temporary")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a limit on file sizes truncates what Python caches for later tests
    with Path(fault.redirected or os.devnull).open("w") as output:
        return subprocess.run(
            command, cwd=folder, check=False, stdout=output, stderr=subprocess.PIPE, text=True,
            preexec_fn=limit, env=environment,
        )  # fmt: skip


def may_mount() -> bool:
    """Whether this user may mount a small disk. In CI, the tests that need one must not be skipped."""
    allowed = subprocess.run([*SMALL_DISK, "true"], check=False, capture_output=True).returncode == 0
    return allowed or "CI" in os.environ


def contents(folder: Path) -> dict[str, bytes]:
    """All files of the project's folders."""
    files = [path for path in folder.rglob("*") if path.is_file() and not {"own", "temporary"} & set(path.parts)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "params.yaml"}


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault.stage}-{fault.what}" for fault in FAULTS])
def test_a_fault_is_a_short_error_and_changes_no_output(reproduced: Clone, tmp_path: Path, fault: Fault) -> None:
    if fault.before[: len(SMALL_DISK)] == SMALL_DISK and not may_mount():
        pytest.skip("this user may not mount a small disk: sysctl kernel.apparmor_restrict_unprivileged_userns=0")
    folder = tmp_path / "project"
    for name in ("data", "models", "results"):
        shutil.copytree(reproduced.folder / name, folder / name)
    shutil.copy(reproduced.folder / "params.yaml", folder)
    (folder / "temporary").mkdir()
    before = contents(folder)

    fault.prepare(folder)
    done = run(folder, fault)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 1
    assert done.stderr.startswith("error: "), done.stderr
    assert len(done.stderr.splitlines()) <= 2
    after = contents(folder)
    # A run that ends early leaves the start of the history, and one of its epochs.
    assert before[HISTORY].startswith(after.pop(HISTORY))
    progress = json.loads(after.pop(PROGRESS))
    rows = csv.DictReader(io.StringIO(before[HISTORY].decode()))
    assert progress in [{name: float(row[name]) for name in progress} for row in rows]
    assert after == {name: content for name, content in before.items() if name not in (HISTORY, PROGRESS)}

    if fault.stage in ("download", "vectorize"):  # the others take seconds; test_kills.py runs them after a kill
        shutil.copy(reproduced.folder / "params.yaml", folder)
        assert run(folder, Fault(fault.stage, "none")).returncode == 0
        assert contents(folder) == before
