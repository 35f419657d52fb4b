"""A project to do damage to: its states before each stage, its runs, and what they leave."""

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

_POLL_SECONDS = 0.0001
_PATIENCE_SECONDS = 300
"""How long any run may take before it counts as hanging."""
_PYTHON = """#!/bin/sh
# Stands in for the stages' python: says which process the stage is, and keeps apart what it says of its end.
echo $$ > '{folder}/pid'
exec '{python}' "$@" 2> '{folder}/stderr'
"""


@dataclass
class Times:
    """How long a stage takes when nobody disturbs it, in seconds."""

    stage: float = 0.0
    writing: dict[str, float] = field(default_factory=dict)
    """By output: how long it was seen being written."""


class Run:
    """A `dvc repro` under way, in a group of processes of its own, and the stage that it runs; for a `with` block."""

    def __init__(self, ground: "Ground", *arguments: str) -> None:
        self._ground = ground
        ground.pid.unlink(missing_ok=True)
        ground.stderr.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [ground.dvc, "repro", *arguments],
            cwd=ground.project, env=ground.environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            # Whoever is started in the background ignores Ctrl-C, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):  # there is someone when the watcher was interrupted, or gave up waiting
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait_for(self, moment: Callable[[], object]) -> bool:
        """Wait until `moment` gives something true; whether it did before the run was over."""
        while not moment():
            if self.process.poll() is not None:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def runs(self) -> bool:
        """Whether a stage has started."""
        return self._ground.pid.exists() and self._ground.pid.read_text().endswith("\n")

    def stage(self) -> int:
        """Wait until a stage runs, and return the id of its process."""
        if not self.wait_for(self.runs):
            raise RuntimeError(f"`dvc repro` ran no stage:\n{self.end()[1]}")
        return int(self._ground.pid.read_text())

    def end(self) -> tuple[int, str]:
        """Wait until neither dvc nor the stage is there any more: the exit code, and what dvc and the stage said."""
        try:
            output = self.process.communicate(timeout=_PATIENCE_SECONDS)[0]
        except subprocess.TimeoutExpired:
            return 124, f"`dvc repro` did not end within {_PATIENCE_SECONDS} s"
        return self.process.returncode, output


class Ground:
    """A project whose pipeline can be put back to before a stage, run, and compared with an undisturbed run.

    Before a stage means: nothing of the stage and of those after it is in the working directory or in dvc.lock, and the
    cache knows neither the stage's run nor its outputs, so that it has to run. It knows the runs of later stages:
    whoever gives them the same to start from gets their outputs, so that repairing is a matter of one stage.
    """

    def __init__(self, project: Path, scratch: Path) -> None:
        """Take a project that has not been run yet, and a folder for all else; runs everything once.

        Raises:
            RuntimeError: the pipeline fails, or does not hold what dvc.lock says, even without damage.
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
        }
        clones.own_cache(project)
        python = project / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(_PYTHON.format(folder=scratch, python=sys.executable))
        python.chmod(0o755)
        stages = YAML(typ="safe").load(project / "dvc.yaml")["stages"]
        self.outputs = {name: [_path(out) for kind in ("metrics", "outs") for out in stage.get(kind, [])]
                        for name, stage in stages.items()}  # fmt: skip
        self.times = {name: Times() for name in stages}
        self._run_undisturbed()

    def _run_undisturbed(self) -> None:
        cached = [self._cache()]
        for stage in self.outputs:
            shutil.copytree(self.project, self._states / stage, symlinks=True)
            code, said = self.repro(stage, stage)
            if code:
                raise RuntimeError(f"undisturbed, `dvc repro` fails with {code}:\n{said}{self.said()}")
            cached.append(self._cache())
        for number, stage in enumerate(self.outputs):
            for name in cached[-1].keys() - cached[number + 1].keys():
                target = self._states / stage / ".dvc" / "cache" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.project / ".dvc" / "cache" / name, target)
        for command in (["status"], ["data", "status"]):
            done = subprocess.run([self.dvc, *command], cwd=self.project, env=self.environment, check=False,
                                  capture_output=True, text=True)  # fmt: skip
            clean = command == ["data", "status"] or "Data and pipelines are up to date." in done.stdout
            if done.returncode or not clean or "ncommitted" in done.stdout:
                raise RuntimeError(f"undisturbed, dvc {' '.join(command)} says:\n{done.stdout}{done.stderr}")
        self._expected, self._expected_cache = self._files(), self._cache()

    def repro(self, stage: str, *arguments: str) -> tuple[int, str]:
        """Run `dvc repro` undisturbed and, if a stage runs, note how long it takes, with the machine as it is now.

        Args:
            stage: the only one that is expected to run.
            arguments: of `dvc repro`.

        Returns:
            The exit code, and what was said.
        """
        first: dict[str, float] = {}
        times = Times()
        with Run(self, *arguments) as run:
            if run.wait_for(run.runs):
                process, start = run.stage(), time.monotonic()

                def over() -> bool:
                    for output in self.writing(stage):
                        first.setdefault(output, time.monotonic())
                        times.writing[output] = time.monotonic() - first[output]
                    return not _exists(process)

                run.wait_for(over)
                times.stage = time.monotonic() - start
                self.times[stage] = times
            return run.end()

    def back_to(self, stage: str) -> None:
        """Put everything back to before a stage."""
        for folder in (self.project, self._site, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
        self.temporary.mkdir()
        shutil.copytree(self._states / stage, self.project, symlinks=True)

    def writing(self, stage: str) -> list[str]:
        """The outputs of a stage that are being written now, or were when it was killed."""
        return [output for output in self.outputs[stage] if self.is_writing(output)]

    def is_writing(self, output: str) -> bool:
        """Whether something stands beside the place of an output, to be renamed."""
        place = self.project / output
        return any(place.parent.glob(f".{place.name}.partial*"))

    def torn(self, stage: str) -> list[str]:
        """What is wrong with the outputs of a stage that are in their places: none may be there before it is whole."""
        found, lines = self._files(), []
        for output in self.outputs[stage]:
            if output in found:
                lines += _differences(_under(output, self._expected), _under(output, found))
        return lines

    def said(self) -> str:
        """What the last stage wrote to its standard error."""
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""

    def damage(self) -> list[str]:
        """What differs from the undisturbed run, a line each.

        That every byte is the same includes that the outputs are what dvc.lock says, since they were.
        """
        found = _differences(self._expected, self._files())
        found += [f"DVC's cache: {line}" for line in _differences(self._expected_cache, self._cache())]
        found += [f"process {process} holds locks of DVC" for process in self._holding()]
        return found + [f"TMPDIR holds {path.name}" for path in self.temporary.iterdir()]

    def _holding(self) -> list[int]:
        """The processes that hold locks of DVC. What a dead one held is in the file still, and DVC passes over it."""
        file = self.project / ".dvc" / "tmp" / "rwlock"
        try:
            content = json.loads(file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # the latter is for `dvc repro` to complain of
            return []
        readers = [each for infos in content.get("read", {}).values() for each in infos]
        processes = {int(each["pid"]) for each in [*readers, *content.get("write", {}).values()]}
        return sorted(filter(_exists, processes))

    def _files(self) -> dict[str, str]:
        # Python tidies up in __pycache__ itself.
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


def _contents(folder: Path, apart: Collection[str]) -> dict[str, str]:
    """The files under a folder with their digests, and its folders, but for those whose name or path is apart."""
    found: dict[str, str] = {}
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if name not in apart and str(inside / name) not in apart]
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
