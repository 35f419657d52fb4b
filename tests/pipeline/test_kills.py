"""Kill stages, and let `dvc repro` repair the results, as `make kills` does."""

from dataclasses import replace
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from checks import kills
from checks.kills import Kill, Outcome
from checks.sandbox import Sandbox
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
"""A stage that writes to its output directly, whose result depends on leftovers, and that handles no signals."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    folder = tmp_path_factory.mktemp("sandbox")
    clone = Clone(folder / "project")
    clone.fill()
    return Sandbox(clone.folder, folder / "scratch")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kill",
    [
        Kill("download", SIGKILL, "group", 0.6, "data/raw"),
        Kill("download", SIGTERM, "stage", 0.3, "data/raw"),
        Kill("download", SIGINT, "group", 0.5, "data/raw"),
        Kill("vectorize", SIGKILL, "stage", 0.5, "data/features"),
        Kill("vectorize", SIGTERM, "group", 0.5),
        Kill("vectorize", SIGINT, "group", 0.2, "data/features"),
        Kill("train", SIGKILL, "group", 0.5, "models/model.keras"),
        Kill("train", SIGTERM, "stage", 0.5, "results/history.csv"),
        Kill("evaluate", SIGINT, "group", 0.5, "results/figures"),
    ],
    ids=lambda kill: f"{kill.stage}-{kill.signal.name}-{kill.victim}",
)
def test_the_next_run_repairs_what_a_killed_stage_left(sandbox: Sandbox, kill: Kill) -> None:
    outcome = kills.kill_and_repair(sandbox, kill)
    assert (outcome.damage, outcome.unclean_exit) == ([], False), outcome


@pytest.mark.slow
def test_the_check_finds_a_careless_stage(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "project")
    (clone.folder / "stages").mkdir(parents=True)
    (clone.folder / "stages" / "careless.py").write_text(CARELESS)
    command = "PATH=.venv/bin:$PATH python stages/careless.py"
    (clone.folder / "dvc.yaml").write_text(f"stages:\n  careless:\n    cmd: {command}\n    outs: [out]\n")
    (clone.folder / ".gitignore").write_text("/out\n.venv\n")
    clone.run("git", "init", "--quiet", "--initial-branch=main")
    clone.dvc("init", "--quiet")
    clone.commit("start")
    sandbox = Sandbox(clone.folder, tmp_path / "scratch")

    outcome = kills.kill_and_repair(sandbox, Kill("careless", SIGINT, "stage", 0.5))
    assert outcome.unclean_exit
    assert "KeyboardInterrupt" in outcome.stderr
    damage = "\n".join(outcome.damage)
    assert "before the repair, out has other content" in damage
    assert "\ndvc.lock has other content" in damage
    assert "\nout has other content" in damage
    assert ".tmp is new" in damage
    assert "TMPDIR holds forgotten-" in damage


def test_the_plan_depends_on_the_seed_and_covers_all_stages_signals_and_victims() -> None:
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
    partial_outputs=[], stderr="interrupted: no result was left half-written\n", damage=[],
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "repaired", "well"),
    [
        (KILLED, 1, True),
        (replace(KILLED, damage=["dvc.lock has other content"]), 0, False),
        (replace(KILLED, stderr='Traceback (most recent call last):\n  File "stages/console.py"\n'), 1, False),
        (replace(KILLED, stderr=""), 1, False),
        (replace(KILLED, stderr="", writing=[]), 1, True),
        (replace(KILLED, stderr="", kill=replace(KILLED.kill, signal=SIGKILL)), 1, True),
    ],
    ids=["repaired", "damaged", "traceback", "silent while writing", "silent while importing", "killed"],
)
def test_the_summary_counts_the_repaired_runs_and_the_failures(outcome: Outcome, repaired: int, well: bool) -> None:
    table, success = kills.summary([outcome])
    cells = [f"{repaired} of 1" if kind == outcome.kill.signal else "0 of 0" for kind in kills.SIGNALS]
    assert f"| train | {' | '.join(cells)} |" in table
    assert f"\n{repaired} repaired to identical files" in table
    assert success == well


def test_a_late_kill_is_not_counted() -> None:
    table, _ = kills.summary([replace(KILLED, late=True)])
    assert "\n0 kills, 0 of them during writing; 1 more came too late twice\n" in table
