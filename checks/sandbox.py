"""A sandbox in which stages are killed: its states before each stage, its runs, and what a run leaves behind."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from checks import clones

GROWING = "results/history.csv"
"""`train` writes this output after each epoch. A killed run leaves the epochs so far."""
PROGRESS = "results/progress.json"
"""`train` writes this output after each epoch, too. It holds the last one."""

_POLL_SECONDS = 0.001
_TIMEOUT_SECONDS = 300
"""A run that takes longer counts as hanging."""
_PYTHON = """#!/bin/sh
# Replaces the python of the stages: notes the id of the stage's process, and keeps its standard error.
echo $$ > '{folder}/pid'
exec '{python}' "$@" 2> '{folder}/stderr'
"""


@dataclass
class Times:
    """How long an undisturbed stage takes, in seconds."""

    stage: float = 0.0
    writing: dict[str, float] = field(default_factory=dict)
    """How long each output was being written."""


class Run:
    """A context manager for a running `dvc repro`, which has its own process group, and the stage that it runs."""

    def __init__(self, sandbox: "Sandbox", *arguments: str) -> None:
        self._sandbox = sandbox
        sandbox.pid.unlink(missing_ok=True)
        sandbox.stderr.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sandbox.dvc, "repro", *arguments],
            cwd=sandbox.project, env=sandbox.environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            # A process that was started in the background ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):  # the run is still there only after an interrupt or a timeout
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait_for(self, condition: Callable[[], object]) -> bool:
        """Wait until `condition` is true. Return False if the run ends first."""
        while not condition():
            if self.process.poll() is not None:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def has_stage(self) -> bool:
        """Return whether a stage has started."""
        return self._sandbox.pid.exists() and self._sandbox.pid.read_text().endswith("\n")

    def stage(self) -> int:
        """Wait until a stage has started, and return the id of its process."""
        if not self.wait_for(self.has_stage):
            raise RuntimeError(f"`dvc repro` ran no stage:\n{self.end()[1]}")
        return int(self._sandbox.pid.read_text())

    def end(self) -> tuple[int, str]:
        """Wait until dvc and the stage have ended, and return the exit code and the output of dvc."""
        try:
            output = self.process.communicate(timeout=_TIMEOUT_SECONDS)[0]
        except subprocess.TimeoutExpired:
            return 124, f"`dvc repro` did not end within {_TIMEOUT_SECONDS} s"
        return self.process.returncode, output


class Sandbox:
    """A project that can be reset to the state before a stage, run, and compared with an undisturbed run.

    In the state before a stage, the working directory and dvc.lock hold nothing of this stage and the later ones. DVC's
    cache holds no run and no outputs of this stage, so the stage has to run. It does hold the runs of the later stages:
    if the repaired outputs are equal to the undisturbed ones, the later stages come from the cache.
    """

    def __init__(self, project: Path, scratch: Path) -> None:
        """Run the whole pipeline once, undisturbed.

        Args:
            project: a project without results.
            scratch: a new folder for everything else.

        Raises:
            RuntimeError: the undisturbed pipeline fails, or its outputs are not those in dvc.lock.
        """
        self.project = project
        self.dvc = Path(sys.executable).with_name("dvc")
        self.pid, self.stderr, self.temporary, self._states = (
            scratch / name for name in ("pid", "stderr", "temporary", "states")
        )
        self.temporary.mkdir(parents=True)
        self._site = scratch / "site"
        hidden = ("GIT_", "DVC_", "IMDB_", "ACLIMDB_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)} | {
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self._site),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(scratch / "cache"),
            "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(Path("~/.cache/matplotlib").expanduser())),
            "MULTIHOT_WORKERS": "2",  # although the corpus is small: workers have to end, too
        }
        clones.own_cache(project)
        python = project / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(_PYTHON.format(folder=scratch, python=sys.executable))
        python.chmod(0o755)
        stages = YAML(typ="safe").load(project / "dvc.yaml")["stages"]
        self.outputs = {
            name: [_path(out) for kind in ("metrics", "outs") for out in stage.get(kind, [])]
            for name, stage in stages.items()
        }
        self.times = {name: Times() for name in stages}
        self._run_undisturbed()

    def _run_undisturbed(self) -> None:
        cached = [self._cache()]
        for stage in self.outputs:
            shutil.copytree(self.project, self._states / stage, symlinks=True)
            code, output = self.repro(stage, stage)
            if code:
                raise RuntimeError(f"undisturbed, `dvc repro` fails with {code}:\n{output}{self.stage_stderr()}")
            cached.append(self._cache())
        for number, stage in enumerate(self.outputs):
            for name in cached[-1].keys() - cached[number + 1].keys():
                target = self._states / stage / ".dvc" / "cache" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.project / ".dvc" / "cache" / name, target)
        for command in (["status"], ["data", "status"]):
            done = subprocess.run(
                [self.dvc, *command],
                cwd=self.project,
                env=self.environment,
                check=False,
                capture_output=True,
                text=True,
            )
            clean = command == ["data", "status"] or "Data and pipelines are up to date." in done.stdout
            if done.returncode or not clean or "ncommitted" in done.stdout:
                raise RuntimeError(f"undisturbed, `dvc {' '.join(command)}` prints:\n{done.stdout}{done.stderr}")
        self._expected, self._expected_cache = self._files(), self._cache()
        self._history = (self.project / GROWING).read_bytes() if GROWING in self._expected else b""

    def repro(self, stage: str, *arguments: str) -> tuple[int, str]:
        """Run `dvc repro` undisturbed and, if a stage runs, note how long it takes under the present load.

        Args:
            stage: the only stage that is expected to run.
            arguments: arguments of `dvc repro`.

        Returns:
            The exit code and the output.
        """
        first: dict[str, float] = {}
        times = Times()
        with Run(self, *arguments) as run:
            if run.wait_for(run.has_stage):
                process, start = run.stage(), time.monotonic()

                def ended() -> bool:
                    for output in self.partial_outputs(stage):
                        first.setdefault(output, time.monotonic())
                        times.writing[output] = time.monotonic() - first[output]
                    return not _exists(process)

                run.wait_for(ended)
                times.stage = time.monotonic() - start
                self.times[stage] = times
            return run.end()

    def reset(self, stage: str) -> None:
        """Restore the state before a stage."""
        for folder in (self.project, self._site, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
        self.temporary.mkdir()
        shutil.copytree(self._states / stage, self.project, symlinks=True)

    def survivors(self, seconds: float = 5) -> list[str]:
        """Return the processes of a run that has ended which are still there after so many seconds."""
        mark, end = f"TMPDIR={self.temporary}".encode(), time.monotonic() + seconds
        while True:
            found = []
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):  # it has ended meanwhile
                    if mark in (process / "environ").read_bytes().split(b"\0"):
                        found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def partial_outputs(self, stage: str) -> list[str]:
        """Return the outputs of a stage that are being written, or were when it was killed."""
        return [output for output in self.outputs[stage] if self.is_partial(output)]

    def is_partial(self, output: str) -> bool:
        """Return whether an output is being written under its temporary name."""
        place = self.project / output
        return any(place.parent.glob(f".{place.name}.partial*"))

    def incomplete_outputs(self, stage: str) -> list[str]:
        """Return what is wrong with the outputs of a stage that exist: all but the two of an epoch are complete."""
        found, lines = self._files(), []
        for output in self.outputs[stage]:
            if output == GROWING and output in found:
                is_start = self._history.startswith((self.project / output).read_bytes())
                lines += [] if is_start else [f"{output} is not the start of the complete one"]
            elif output == PROGRESS and output in found:
                lines += [] if self._is_epoch(output) else [f"{output} is of no epoch of the history"]
            elif output in found:
                lines += _differences(_under(output, self._expected), _under(output, found))
        return lines

    def _is_epoch(self, output: str) -> bool:
        """Return whether an output holds values of one epoch of the complete history."""
        values = json.loads((self.project / output).read_bytes())
        epochs = csv.DictReader(self._history.decode().splitlines())
        return any(values == {name: float(epoch[name]) for name in values} for epoch in epochs)

    def stage_stderr(self) -> str:
        """Return what the last stage wrote to its standard error."""
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""

    def damage(self) -> list[str]:
        """Return how the project differs from the undisturbed run, a line for each difference."""
        found = _differences(self._expected, self._files())
        found += [f"DVC's cache: {line}" for line in _differences(self._expected_cache, self._cache())]
        found += [f"process {process} holds locks of DVC" for process in self._lock_holders()]
        return found + [f"TMPDIR holds {path.name}" for path in self.temporary.iterdir()]

    def _lock_holders(self) -> list[int]:
        """Return the running processes that hold locks of DVC. DVC itself ignores the locks of dead processes."""
        file = self.project / ".dvc" / "tmp" / "rwlock"
        try:
            content = json.loads(file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # `dvc repro` itself reports a damaged file
            return []
        readers = [each for infos in content.get("read", {}).values() for each in infos]
        processes = {int(each["pid"]) for each in [*readers, *content.get("write", {}).values()]}
        return sorted(filter(_exists, processes))

    def _files(self) -> dict[str, str]:
        return _contents(self.project, {".git", ".venv", ".dvc/tmp", ".dvc/cache", "__pycache__"})

    def _cache(self) -> dict[str, str]:
        found = _contents(self.project / ".dvc" / "cache", ())
        return {name: content for name, content in found.items() if content != "a folder"}


def _path(out: str | dict[str, object]) -> str:
    return out if isinstance(out, str) else next(iter(out))


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _contents(folder: Path, excluded: Collection[str]) -> dict[str, str]:
    """Return the digest of each file under a folder, and "a folder" for each folder, except the excluded ones."""
    found: dict[str, str] = {}
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if name not in excluded and str(inside / name) not in excluded]
        found |= {str(inside / name): "a folder" for name in folders}
        for name in files:
            found[str(inside / name)] = hashlib.sha256(Path(place, name).read_bytes()).hexdigest()
    return found


def _under(output: str, files: dict[str, str]) -> dict[str, str]:
    return {name: content for name, content in files.items() if name == output or name.startswith(f"{output}/")}


def _differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    lines = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    lines += [f"{name} is new" for name in sorted(found.keys() - expected.keys())]
    both = sorted(expected.keys() & found.keys())
    return lines + [f"{name} has other content" for name in both if expected[name] != found[name]]
