"""Does the project reproduce? `make verify` clones HEAD, runs it with an empty cache, and compares.

It runs as if elsewhere: in another folder, on one core, with another hash seed, time zone, language and umask. The
clone's dvc.lock and metrics are compared with the committed ones, output by output. Where the run takes another source
than the committed one, as without a network, a second clone is run, on all cores and under one's own settings, and the
two are compared. Exits with 1 and says what differs, from which stage on, and by how much in the metrics.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from checks import clones

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Result:
    """What a run left in git: dvc.lock and the metrics."""

    lock: dict[str, Any]
    metrics: dict[str, float | str]
    """By dotted key."""

    @classmethod
    def of(cls, folder: Path) -> "Result":
        """The result in a project's folder."""
        metrics = json.loads((folder / "results" / "metrics.json").read_text(encoding="utf-8"))
        return cls(YAML(typ="safe").load(folder / "dvc.lock")["stages"], dict(_flat(metrics)))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, float | str]]:
    return [
        pair
        for key, value in values.items()
        for pair in (_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)])
    ]


ELSEWHERE = {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "C"}
"""Settings that hardly anyone has."""


def _elsewhere() -> None:
    """Before a program starts: one core, and files that nobody else may read."""
    os.umask(0o077)
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def run(clone: Path, *, elsewhere: bool) -> tuple[Result, Result]:
    """Clone HEAD, and run the pipeline there with an empty cache: what is committed, and what came out."""
    clones.clone(ROOT, clone)
    (clone / ".venv").symlink_to(ROOT / ".venv")
    committed = Result.of(clone)
    done = subprocess.run(
        [ROOT / ".venv/bin/dvc", "repro"], cwd=clone, check=False,
        env=os.environ | _mirrors() | (ELSEWHERE if elsewhere else {}), preexec_fn=_elsewhere if elsewhere else None,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"error: `dvc repro` failed with {done.returncode} in a clean clone")
    return committed, Result.of(clone)


def _mirrors() -> dict[str, str]:
    """The mirrors in the environment, their folders as seen from anywhere."""
    found = {}
    for name in ("IMDB_MIRROR", "ACLIMDB_MIRROR"):
        place, mark, checksum = os.environ.get(name, "").partition("#")
        if place and "://" not in place:
            found[name] = f"{(ROOT / Path(place).expanduser()).resolve()}{mark}{checksum}"
    return found


def differences(expected: Result, found: Result) -> list[str]:
    """What differs, a line each: what a stage started from, then what it wrote; at the end the metrics."""
    lines = []
    for stage in dict.fromkeys([*expected.lock, *found.lock]):
        before, after = (_hashes(result.lock.get(stage, {})) for result in (expected, found))
        lines += [
            f"{stage}: {key} is {after.get(key, 'missing')}, expected {before.get(key, 'nothing')}"
            for key in dict.fromkeys([*before, *after])
            if before.get(key) != after.get(key)
        ]
    for key in dict.fromkeys([*expected.metrics, *found.metrics]):
        old, new = expected.metrics.get(key), found.metrics.get(key)
        if old != new:
            by = f" ({new - old:+.6f})" if isinstance(old, float) and isinstance(new, float) else ""
            lines.append(f"metrics: {key} is {new}, expected {old}{by}")
    return lines


def _hashes(stage: dict[str, Any]) -> dict[str, str]:
    """Command, parameters and hashes of a stage in dvc.lock, by what a reader knows them by."""
    found = {"command": str(stage.get("cmd"))}
    for kind in ("deps", "outs"):
        found |= {f"{kind[:-1]} {entry['path']}": entry["md5"] for entry in stage.get(kind, [])}
    return found | {"parameters": str(stage.get("params"))}


def main() -> None:
    """Verify HEAD."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    if changed:
        print(f"warning: HEAD is verified, without what is not committed:\n{changed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        expected, found = run(Path(folder, "first"), elsewhere=True)
        source, against = found.metrics["source"], "the committed ones"
        if source != expected.metrics["source"]:
            against = f"those of a second run: {expected.metrics['source']}, as committed, is out of reach"
            _, expected = run(Path(folder, "second", "and deeper"), elsewhere=False)
    lines = differences(expected, found)
    outputs = f"{sum(len(stage['outs']) for stage in found.lock.values())} outputs on the source {source}"
    if lines:
        print(f"\nNot reproduced: {outputs} were compared with {against}.", *lines, sep="\n  ")
        sys.exit(f"error: results differ from stage {lines[0].partition(':')[0]} on")
    print(f"\nReproduced: {outputs} are the same to the byte as {against}.")


if __name__ == "__main__":
    main()
