"""Kill stages at many moments, and check that `dvc repro` repairs the results. `make kills` runs it.

A clone of HEAD runs on a small synthetic corpus, with two workers where a stage has any. For each kill, the clone is
reset to the state before a stage and `dvc repro` is started. Then the stage, or dvc and the stage together, get
SIGKILL, SIGTERM or SIGINT: at a moment during the stage, or while an output is being written. Afterwards:

- every output that exists is complete;
- no process of the stage is left, neither workers nor anything else;
- another `dvc repro` gives the same bytes as the undisturbed run, with nothing left over;
- the stage has printed at most one line about its end, and no traceback.

Nothing is killed while dvc itself works, before or after a stage: if dvc is killed while it writes .dvc/tmp/rwlock, it
asks you to delete that file.

120 kills take about a quarter of an hour. The exit code is 1 if a kill was not repaired or a stage exited uncleanly.
"""

import argparse
import itertools
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from checks import clones
from checks.sandbox import Run, Sandbox

ROOT = Path(__file__).resolve().parent.parent

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("stage", "group")
"""Only the stage's process; or dvc, its shell and the stage, as Ctrl-C in a terminal or a power cut does."""


@dataclass(frozen=True)
class Kill:
    """Which stage is killed, how and when."""

    stage: str
    signal: signal.Signals
    victim: str
    share: float
    """The moment, as a share of the time that the stage, or the writing of `output`, takes when it is undisturbed."""
    output: str | None = None
    """The time starts when this output begins to be written. None: when the stage starts."""


@dataclass(frozen=True)
class Outcome:
    """What a kill did."""

    kill: Kill
    seconds: float
    """The moment of the kill, from the start of the stage."""
    late: bool
    """The stage had already ended, and nothing was killed."""
    finished: bool
    """`dvc repro` ended with success, as if there had been no signal."""
    writing: list[str]
    """The outputs that were being written at that moment."""
    partial_outputs: list[str]
    """The partial outputs that the dead stage left."""
    stderr: str
    """What the stage wrote to its standard error."""
    damage: list[str]
    """Incomplete outputs before the repair, and any difference after it."""

    @property
    def exit_kind(self) -> str:
        """How the stage ended: silently, with a line, or with something that it should not print."""
        wrong = ("Traceback", "Exception ignored", "Fatal Python error", "terminate called")
        if any(mark in self.stderr for mark in wrong):
            # Before the first line of the project's code, the project cannot handle a signal.
            return "traceback" if "stages" in self.stderr else "traceback while Python starts"
        lines = sum(line.startswith("interrupted") for line in self.stderr.splitlines())
        if lines == 0:
            return "finished" if self.finished else "silent"
        return "a line" if lines == 1 else "several lines"

    @property
    def unclean_exit(self) -> bool:
        """Whether the stage printed a traceback or several lines, or no line although it had partial outputs."""
        if self.exit_kind in ("traceback", "several lines"):
            return True
        line_expected = self.kill.signal != signal.SIGKILL and not self.late and bool(self.writing)
        return line_expected and self.exit_kind != "a line"


def plan(outputs: Mapping[str, Sequence[str]], rounds: int, seed: int) -> Iterator[Kill]:
    """Yield a kill for each stage, signal and victim in each round.

    Every second round kills while an output is being written. The other rounds kill at moments that are spread evenly
    over the time of the stage.
    """
    generator = np.random.default_rng(seed)
    timed_rounds = (rounds + 1) // 2
    next_output = {stage: itertools.cycle(outs) for stage, outs in outputs.items()}
    for number in range(rounds):
        for stage, kind, victim in itertools.product(outputs, SIGNALS, VICTIMS):
            share = float(generator.random())
            if number % 2:
                yield Kill(stage, kind, victim, share, next(next_output[stage]))
            else:
                yield Kill(stage, kind, victim, (number // 2 + share) / timed_rounds)


def kill_and_repair(sandbox: Sandbox, kill: Kill) -> Outcome:
    """Reset the sandbox to the state before the stage, run, kill, run again, and compare."""
    sandbox.reset(kill.stage)
    with Run(sandbox) as run:
        process, start = run.stage(), time.monotonic()
        _wait(sandbox, kill, run, start)
        seconds, writing = time.monotonic() - start, _send(sandbox, kill, process, run.process.pid)
        finished = run.end()[0] == 0
    partial, stderr = sandbox.partial_outputs(kill.stage), sandbox.stage_stderr()
    damage = [f"before the repair, {line}" for line in sandbox.incomplete_outputs(kill.stage)]
    damage += [f"{process} outlived its stage" for process in sandbox.survivors()]
    code, output = sandbox.repro(kill.stage)
    if code:
        damage.append(f"`dvc repro` exited with {code}: {output.strip()[-500:]}")
    return Outcome(kill, seconds, writing is None, finished, writing or [], partial, stderr, damage + sandbox.damage())


def _wait(sandbox: Sandbox, kill: Kill, run: Run, start: float) -> None:
    """Wait until the moment of the kill."""
    times = sandbox.times[kill.stage]
    seconds = kill.share * times.stage
    if output := kill.output:
        place = sandbox.project / output
        run.wait_for(lambda: sandbox.is_partial(output) or place.exists())
        start, seconds = time.monotonic(), kill.share * times.writing.get(output, 0)
    run.wait_for(lambda: time.monotonic() >= start + seconds)


def _send(sandbox: Sandbox, kill: Kill, stage: int, group: int) -> list[str] | None:
    """Send the signal. Return the outputs that are being written, or None if the stage has already ended."""
    try:
        os.kill(stage, signal.SIGSTOP)  # so that the list of outputs is still true when the signal arrives
        writing = sandbox.partial_outputs(kill.stage)
        if kill.victim == "stage":
            os.kill(stage, kill.signal)
        else:
            os.killpg(group, kill.signal)
    except ProcessLookupError:
        return None
    with suppress(ProcessLookupError):
        os.kill(stage, signal.SIGCONT)
    return writing


def log_line(sandbox: Sandbox, number: int, outcome: Outcome) -> str:
    """Return the line of the log for a kill."""
    kill = outcome.kill
    share = outcome.seconds / sandbox.times[kill.stage].stage
    return (
        f"{number:4} {kill.stage:9} {kill.signal.name:7} {kill.victim:5} {outcome.seconds:6.2f} s {share:4.0%}  "
        f"{'too late' if outcome.late else outcome.exit_kind}; "
        + (f"writing {', '.join(outcome.writing)}; " if outcome.writing else "")
        + (f"partial outputs of {', '.join(outcome.partial_outputs)}; " if outcome.partial_outputs else "")
        + (f"NOT REPAIRED: {'; '.join(outcome.damage)}" if outcome.damage else "repaired")
    )


def run(sandbox: Sandbox, kills: Iterable[Kill]) -> list[Outcome]:
    """Do all kills and log them. A kill that comes too late is repeated once, at half the time."""
    outcomes: list[Outcome] = []
    for number, kill in enumerate(kills, 1):
        outcome = kill_and_repair(sandbox, kill)
        if outcome.late:
            outcome = kill_and_repair(sandbox, replace(kill, share=kill.share / 2))
        outcomes.append(outcome)
        print(log_line(sandbox, number, outcome), flush=True)
        if outcome.unclean_exit:
            print(f"     UNCLEAN EXIT: {outcome.stderr.strip()[-1000:]}", flush=True)
    return outcomes


def summary(outcomes: Sequence[Outcome]) -> tuple[str, bool]:
    """Return a table of repaired kills by stage and signal, and whether all were repaired with a clean exit."""
    done = [outcome for outcome in outcomes if not outcome.late]
    killed = Counter((outcome.kill.stage, outcome.kill.signal) for outcome in done)
    repaired = Counter((outcome.kill.stage, outcome.kill.signal) for outcome in done if not outcome.damage)
    lines = ["| stage | " + " | ".join(kind.name for kind in SIGNALS) + " |", "| --- " * (1 + len(SIGNALS)) + "|"]
    for stage in dict.fromkeys(outcome.kill.stage for outcome in done):
        cells = [f"{repaired[stage, kind]} of {killed[stage, kind]}" for kind in SIGNALS]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    writing, unclean = sum(bool(outcome.writing) for outcome in done), sum(each.unclean_exit for each in outcomes)
    lines += [
        "",
        f"{len(done)} kills, {writing} of them during writing; {len(outcomes) - len(done)} more came too late twice",
        f"{repaired.total()} repaired to identical files; {unclean} unclean exits",
    ]
    return "\n".join(lines), not unclean and not any(outcome.damage for outcome in outcomes)


def main() -> None:
    """Kill and repair stages in a clone of HEAD."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of 24 kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        project = clones.clone(ROOT, Path(folder, "project"))
        (project / "dvc.lock").unlink()
        (project / "results" / "metrics.json").unlink()
        clones.set_params(project, clones.SMALL)
        sandbox = Sandbox(project, Path(folder, "scratch"))
        for stage, times in sandbox.times.items():
            print(f"undisturbed, {stage} takes {times.stage:.2f} s", flush=True)
        outcomes = run(sandbox, plan(sandbox.outputs, arguments.rounds, arguments.seed))
    table, success = summary(outcomes)
    print(f"\n{table}")
    sys.exit(not success)


if __name__ == "__main__":
    main()
