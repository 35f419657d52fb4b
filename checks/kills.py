"""Does a run that is killed do harm? `make kills` kills one after another, and has `dvc repro` repair each.

A clone of HEAD is run on a small synthetic corpus. Then it is put back to before a stage, `dvc repro` is started, and
the stage, or dvc and the stage together, get SIGKILL, SIGTERM or SIGINT: at a moment of the stage's time, or while an
output is being written. What outputs are in their places then have to be whole. After that `dvc repro` alone has to
give what the undisturbed run gave, to the byte, with nothing left over; and the stage may say a line of its end, but no
traceback.

Nothing is killed while dvc itself is at work before a stage or after it: cut off while it writes .dvc/tmp/rwlock, dvc
asks for that file to be deleted.

120 kills take about a quarter of an hour. Exits with 1 if one was not repaired, or a stage died with a traceback.
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
from checks.ground import Ground, Run

ROOT = Path(__file__).resolve().parent.parent

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("stage", "group")
"""The stage's process alone; or all that a Ctrl-C in a terminal, or a power cut, hits: dvc, its shell, the stage."""


@dataclass(frozen=True)
class Kill:
    """What is killed, how and when."""

    stage: str
    signal: signal.Signals
    victim: str
    share: float
    """Of the time that the stage, or the writing of `output`, takes when nobody disturbs it."""
    output: str | None = None
    """Counted from the moment at which this output's writing begins; None: from the stage's start."""


@dataclass(frozen=True)
class Outcome:
    """What a kill did."""

    kill: Kill
    seconds: float
    """From the stage's start."""
    late: bool
    """The stage had already ended, and nothing was killed."""
    finished: bool
    """`dvc repro` went on to its end, as if nothing had been sent."""
    writing: list[str]
    """The outputs that were half-written at the moment."""
    left: list[str]
    """Those that were so when the stage was dead."""
    said: str
    """What the stage wrote to its standard error."""
    damage: list[str]
    """What was wrong: with outputs in their places before the repair, or with anything after it."""

    @property
    def manners(self) -> str:
        """How the stage took its leave: without a word, with a line, or in a way that it should not."""
        wrong = ("Traceback", "Exception ignored", "Fatal Python error", "terminate called")
        if any(mark in self.said for mark in wrong):
            # Before the project's first line there is nothing that it could do.
            return "traceback" if "stages" in self.said else "traceback of Python's own start"
        lines = sum(line.startswith("interrupted") for line in self.said.splitlines())
        if lines == 0:
            return "went on to its end" if self.finished else "silent"
        return "a line" if lines == 1 else "several lines"

    @property
    def rude(self) -> bool:
        """Whether it should have ended otherwise: with a line, where it could answer and had something to tidy up."""
        if self.manners in ("traceback", "several lines"):
            return True
        owed = self.kill.signal != signal.SIGKILL and not self.late and bool(self.writing)
        return owed and self.manners != "a line"


def plan(outputs: Mapping[str, Sequence[str]], rounds: int, seed: int) -> Iterator[Kill]:
    """Each stage, signal and victim once a round.

    Rounds take turns: at moments spread evenly over the stage's time, and while one output after another is written.
    """
    draw = np.random.default_rng(seed)
    timed = (rounds + 1) // 2
    turns = {stage: itertools.cycle(outs) for stage, outs in outputs.items()}
    for number in range(rounds):
        for stage, kind, victim in itertools.product(outputs, SIGNALS, VICTIMS):
            share = float(draw.random())
            if number % 2:
                yield Kill(stage, kind, victim, share, next(turns[stage]))
            else:
                yield Kill(stage, kind, victim, (number // 2 + share) / timed)


def strike(ground: Ground, kill: Kill) -> Outcome:
    """Put the project back to before the stage, run, kill, repair, and look at what has become of it."""
    ground.back_to(kill.stage)
    with Run(ground) as run:
        process, start = run.stage(), time.monotonic()
        _wait(ground, kill, run, start)
        seconds, writing = time.monotonic() - start, _send(ground, kill, process, run.process.pid)
        finished = run.end()[0] == 0
    left, said = ground.writing(kill.stage), ground.said()
    damage = [f"before the repair, {line}" for line in ground.torn(kill.stage)]
    code, told = ground.repro(kill.stage)
    if code:
        damage.append(f"`dvc repro` exited with {code}: {told.strip()[-500:]}")
    return Outcome(kill, seconds, writing is None, finished, writing or [], left, said, damage + ground.damage())


def _wait(ground: Ground, kill: Kill, run: Run, start: float) -> None:
    """Wait until the moment of the kill."""
    times = ground.times[kill.stage]
    seconds = kill.share * times.stage
    if output := kill.output:
        place = ground.project / output
        run.wait_for(lambda: ground.is_writing(output) or place.exists())
        start, seconds = time.monotonic(), kill.share * times.writing.get(output, 0)
    run.wait_for(lambda: time.monotonic() >= start + seconds)


def _send(ground: Ground, kill: Kill, stage: int, group: int) -> list[str] | None:
    """Send the signal: the outputs that are half-written as it comes, or None if the stage was not there any more."""
    try:
        os.kill(stage, signal.SIGSTOP)  # so that what is half-written now is so still in the next line
        writing = ground.writing(kill.stage)
        if kill.victim == "stage":
            os.kill(stage, kill.signal)
        else:
            os.killpg(group, kill.signal)
    except ProcessLookupError:
        return None
    with suppress(ProcessLookupError):
        os.kill(stage, signal.SIGCONT)
    return writing


def line(ground: Ground, number: int, outcome: Outcome) -> str:
    """An outcome for the log."""
    kill = outcome.kill
    share = outcome.seconds / ground.times[kill.stage].stage
    return (
        f"{number:4} {kill.stage:9} {kill.signal.name:7} {kill.victim:5} {outcome.seconds:6.2f} s {share:4.0%}  "
        f"{'too late' if outcome.late else outcome.manners}; "
        + (f"writing {', '.join(outcome.writing)}; " if outcome.writing else "")
        + (f"left {', '.join(outcome.left)} half-written; " if outcome.left else "")
        + (f"NOT REPAIRED: {'; '.join(outcome.damage)}" if outcome.damage else "repaired")
    )


def run(ground: Ground, kills: Iterable[Kill]) -> list[Outcome]:
    """Strike with one kill after another, and say what comes of each; again, in half the time, if it comes too late."""
    outcomes: list[Outcome] = []
    for number, kill in enumerate(kills, 1):
        outcome = strike(ground, kill)
        outcomes.append(strike(ground, replace(kill, share=kill.share / 2)) if outcome.late else outcome)
        print(line(ground, number, outcomes[-1]), flush=True)
        if outcomes[-1].rude:
            print(f"     RUDE: {outcomes[-1].said.strip()[-1000:]}", flush=True)
    return outcomes


def summary(outcomes: Sequence[Outcome]) -> tuple[str, bool]:
    """Repaired of killed, by stage and signal; and whether all is well."""
    done = [outcome for outcome in outcomes if not outcome.late]
    killed = Counter((outcome.kill.stage, outcome.kill.signal) for outcome in done)
    repaired = Counter((outcome.kill.stage, outcome.kill.signal) for outcome in done if not outcome.damage)
    lines = ["| stage | " + " | ".join(kind.name for kind in SIGNALS) + " |", "| --- " * (1 + len(SIGNALS)) + "|"]
    for stage in dict.fromkeys(outcome.kill.stage for outcome in done):
        cells = [f"{repaired[stage, kind]} of {killed[stage, kind]}" for kind in SIGNALS]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    amid, rude = sum(bool(outcome.writing) for outcome in done), sum(outcome.rude for outcome in outcomes)
    lines += [
        "",
        f"{len(done)} kills, {amid} of them amid writing; {len(outcomes) - len(done)} more came too late twice",
        f"{repaired.total()} repaired to the identical dvc.lock; {rude} stages ended in a way that they should not",
    ]
    return "\n".join(lines), not rude and not any(outcome.damage for outcome in outcomes)


def main() -> None:
    """Kill and repair HEAD."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="each of 24 kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        project = Path(folder, "project")
        clones.clone(ROOT, project)
        (project / "dvc.lock").unlink()
        (project / "results" / "metrics.json").unlink()
        clones.set_params(project, clones.SMALL)
        ground = Ground(project, Path(folder, "scratch"))
        for stage, times in ground.times.items():
            print(f"undisturbed, {stage} takes {times.stage:.2f} s", flush=True)
        outcomes = run(ground, plan(ground.outputs, arguments.rounds, arguments.seed))
    told, well = summary(outcomes)
    print(f"\n{told}")
    sys.exit(not well)


if __name__ == "__main__":
    main()
