"""Check that a clean clone reproduces the committed results bit for bit. `make verify` runs it.

The clone runs with an empty cache in another folder, on one core, with another hash seed, time zone, language and
umask. Its dvc.lock and metrics are compared with the committed ones. If the committed source is not available, for
example without a network, a second clone runs on all cores with your own settings, and the two runs are compared.

If anything differs, the exit code is 1, and the output names what differs, the first stage with a difference, and the
differences of the metrics.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from checks import clones
from stages.evaluate.report import flat

ROOT = Path(__file__).resolve().parent.parent


Results = dict[str, dict[str, Any]]
"""The results of a run that are in git: for each stage what dvc.lock says of it, by a readable name, and `metrics`."""

OTHER_ENVIRONMENT = {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "C"}
"""Settings that hardly anyone has."""


def _restrict() -> None:
    """Use one core, and create files that only the user can read."""
    os.umask(0o077)
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def run(folder: Path, *, other_environment: bool) -> tuple[Results, Results]:
    """Clone HEAD and run the pipeline there with an empty cache. Return the committed results and those of the run."""
    project = clones.clone(ROOT, folder)
    (project / ".venv").symlink_to(ROOT / ".venv")
    committed = read(project)
    done = subprocess.run(
        [ROOT / ".venv/bin/dvc", "repro"],
        cwd=project,
        check=False,
        env=os.environ | _mirrors() | (OTHER_ENVIRONMENT if other_environment else {}),
        preexec_fn=_restrict if other_environment else None,
    )
    if done.returncode:
        sys.exit(f"error: `dvc repro` failed with exit code {done.returncode} in a clean clone")
    return committed, read(project)


def _mirrors() -> dict[str, str]:
    """Return the mirrors in the environment, with absolute paths."""
    found = {}
    for name in ("IMDB_MIRROR", "ACLIMDB_MIRROR"):
        place, mark, checksum = os.environ.get(name, "").partition("#")
        if place and "://" not in place:
            found[name] = f"{(ROOT / Path(place).expanduser()).resolve()}{mark}{checksum}"
    return found


def read(folder: Path) -> Results:
    """Read the results of the project in `folder`."""
    found: Results = {}
    for name, stage in YAML(typ="safe").load(folder / "dvc.lock")["stages"].items():
        found[name] = {"command": stage["cmd"]}
        for kind in ("deps", "outs"):
            found[name] |= {f"{kind[:-1]} {entry['path']}": entry["md5"] for entry in stage.get(kind, [])}
        params = flat(stage.get("params", {}).get("params.yaml", {}))
        found[name] |= {f"parameter {key}": value for key, value in params}
    metrics = json.loads((folder / "results" / "metrics.json").read_text(encoding="utf-8"))
    return found | {"metrics": dict(flat(metrics))}


def differences(expected: Results, found: Results) -> list[str]:
    """Return a line for each difference: for each stage its inputs, its outputs, its parameters; then the metrics."""
    lines = []
    for part in dict.fromkeys([*expected, *found]):
        before, after = expected.get(part, {}), found.get(part, {})
        for key in dict.fromkeys([*before, *after]):
            old, new = before.get(key, "nothing"), after.get(key, "missing")
            if old != new:
                by = f" ({new - old:+.6f})" if isinstance(old, float) and isinstance(new, float) else ""
                lines.append(f"{part}: {key} is {new}, expected {old}{by}")
    return lines


def main() -> None:
    """Check the last commit."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no", "."],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if changed:
        print(f"warning: the last commit is checked, without these changes:\n{changed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        expected, found = run(Path(folder, "first"), other_environment=True)
        source, committed = found["metrics"]["source"], expected["metrics"]["source"]
        reference = "the committed results"
        if source != committed:
            reference = f"a second run, because the committed source, {committed}, is not available"
            _, expected = run(Path(folder, "second", "and deeper"), other_environment=False)
    lines = differences(expected, found)
    count = sum(key.startswith("out ") for part in found.values() for key in part)
    outputs = f"{count} outputs of the source {source}"
    if lines:
        print(f"\nNot reproduced: {outputs} were compared with {reference}.", *lines, sep="\n  ")
        sys.exit(f"error: results differ from stage {lines[0].partition(':')[0]} on")
    print(f"\nReproduced: {outputs} are bit for bit those of {reference}.")


if __name__ == "__main__":
    main()
