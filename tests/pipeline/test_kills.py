"""Stages are killed, and `dvc repro` repairs: a short form of `make kills`, and a careless stage."""

from dataclasses import replace
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from checks import kills
from checks.ground import Ground
from checks.kills import Kill, Outcome
from tests.pipeline.conftest import Clone

CAREFUL = {"download": ["data/raw"], "train": ["models/model.keras", "models/serving"]}

CARELESS = """
import os, pathlib, tempfile, time
left = list(pathlib.Path.cwd().glob("*.tmp"))
scratch = pathlib.Path(f"{os.getpid()}.tmp")
scratch.touch()
tempfile.mkstemp(prefix="forgotten-")
with open("out", "w") as file:
    print("first half", file=file, flush=True)
    time.sleep(0.5)
    print("second half" if not left else "another second half", file=file)
scratch.unlink()
"""
"""A stage that writes in its output's place, is swayed by what a killed one left, and dies of signals as they come."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("ground")
    clone = Clone(folder / "project")
    clone.fill()
    return Ground(clone.folder, folder / "scratch")


@pytest.mark.parametrize(
    "kill",
    [
        Kill("download", SIGKILL, "group", 0.6, "data/raw"),
        Kill("download", SIGTERM, "stage", 0.3, "data/raw"),
        Kill("download", SIGINT, "group", 0.5),
        Kill("vectorize", SIGKILL, "stage", 0.5, "data/features"),
        Kill("vectorize", SIGTERM, "group", 0.5),
        Kill("vectorize", SIGINT, "group", 0.2, "data/features"),
        Kill("train", SIGKILL, "group", 0.5, "models/model.keras"),
        Kill("evaluate", SIGINT, "group", 0.5, "results/figures"),
    ],
    ids=lambda kill: f"{kill.stage}-{kill.signal.name}-{kill.victim}",
)
def test_what_a_killed_stage_leaves_is_repaired_by_the_next_run(ground: Ground, kill: Kill) -> None:
    outcome = kills.strike(ground, kill)
    assert (outcome.damage, outcome.rude) == ([], False), outcome


def test_a_careless_stage_is_noticed(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "project")
    (clone.folder / "stages").mkdir(parents=True)
    (clone.folder / "stages" / "careless.py").write_text(CARELESS)
    command = "PATH=.venv/bin:$PATH python stages/careless.py"
    (clone.folder / "dvc.yaml").write_text(f"stages:\n  careless:\n    cmd: {command}\n    outs: [out]\n")
    (clone.folder / ".gitignore").write_text("/out\n.venv\n")
    clone.run("git", "init", "--quiet", "--initial-branch=main")
    clone.dvc("init", "--quiet")
    clone.commit("start")
    ground = Ground(clone.folder, tmp_path / "scratch")

    outcome = kills.strike(ground, Kill("careless", SIGINT, "stage", 0.5))
    assert outcome.rude
    assert "KeyboardInterrupt" in outcome.said
    said = "\n".join(outcome.damage)
    assert "before the repair, out has other content" in said
    assert "\ndvc.lock has other content" in said
    assert "\nout has other content" in said
    assert ".tmp is new" in said
    assert "TMPDIR holds forgotten-" in said


def test_the_moments_are_those_of_the_seed_and_go_through_all_that_can_be_hit() -> None:
    planned = list(kills.plan(CAREFUL, rounds=4, seed=1))
    assert planned == list(kills.plan(CAREFUL, rounds=4, seed=1))
    assert planned != list(kills.plan(CAREFUL, rounds=4, seed=2))
    assert len({(kill.stage, kill.signal, kill.victim) for kill in planned}) == 12
    assert len(planned) == 4 * 12
    timed = [kill for kill in planned if kill.output is None]
    assert all(kill.share < 0.5 for kill in timed[:12])
    assert all(0.5 <= kill.share < 1 for kill in timed[12:])
    assert {kill.output for kill in planned if kill.output} == {output for outs in CAREFUL.values() for output in outs}


KILLED = Outcome(
    Kill("train", SIGTERM, "group", 0.5), 2.0, late=False, finished=False, writing=["models/model.keras"],
    left=[], said="interrupted: no result was left half-written\n", damage=[],
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "repaired", "well"),
    [
        (KILLED, 1, True),
        (replace(KILLED, damage=["dvc.lock has other content"]), 0, False),
        (replace(KILLED, said='Traceback (most recent call last):\n  File "stages/console.py"\n'), 1, False),
        (replace(KILLED, said=""), 1, False),
        (replace(KILLED, said="", writing=[]), 1, True),
        (replace(KILLED, said="", kill=replace(KILLED.kill, signal=SIGKILL)), 1, True),
    ],
    ids=["well", "damaged", "a traceback", "silent amid writing", "silent in its imports", "without a chance to speak"],
)
def test_the_summary_counts_what_was_repaired_and_says_whether_all_is_well(
    outcome: Outcome, repaired: int, well: bool
) -> None:
    told, is_well = kills.summary([outcome])
    cells = [f"{repaired} of 1" if kind == outcome.kill.signal else "0 of 0" for kind in kills.SIGNALS]
    assert f"| train | {' | '.join(cells)} |" in told
    assert f"\n{repaired} repaired to the identical dvc.lock" in told
    assert is_well == well


def test_a_kill_that_comes_too_late_is_not_counted() -> None:
    assert (
        "\n0 kills, 0 of them amid writing; 1 more came too late twice\n"
        in kills.summary([replace(KILLED, late=True)])[0]
    )
