"""Write docs/caching.md: which stages run again after which change. `make caching` runs it.

Every row comes from the real pipeline, in a clone of HEAD, on the first available source of params.yaml: change one
parameter, or add a comment to one module, run `dvc repro`, note the stages that ran, and undo the change. It takes
about seven minutes.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from tqdm import tqdm

from checks import clones
from stages.console import UserError
from stages.evaluate.report import flat

PAGE = Path("docs/caching.md")
STAGES = ("download", "vectorize", "train", "evaluate")

OTHER_VALUES: dict[str, Any] = {
    "data.sources": ["synthetic"],
    "data.tokenizer": "unicode",
    "data.files.folder": "data/other",
    "data.files.train": "other.csv",
    "data.files.columns": ["text", "label"],
    "data.files.slices": ["year"],
    "data.files.encoding": "latin-1",
    "data.files.bad_rows": "skip",
    "data.files.duplicates": "drop",
    "train.hidden_units": [8],
    "train.activation": "tanh",
    "train.optimizer": "adam",
    "train.loss": "mean_squared_error",
    "train.weighting": "log_ratio",
    "train.dropout": 0.5,
    "train.l2": 0.001,
}
"""A new value for each parameter that is neither a number nor null."""

INTRODUCTION = """# What runs again

`dvc repro` runs the stages marked `runs` after each change, and keeps the results of the others. A stage runs again
when one of its inputs is different. So if `download` writes the same files as before, the stages after it do not run.

The table shows the source `{source}`. For your own reviews, an edit of the file runs `download` and, as the reviews are
different then, all stages. `evaluate` depends on all parameters, because the report shows them.

When you undo a change, `dvc repro` restores all results from the cache and runs nothing.

A module that cannot change an output, such as `stages/console.py`, is not a dependency. `checks/declared.py` lists
these modules with the reasons, and checks that dvc.yaml names all others.

`make caching` writes this page. It changes each parameter and adds a comment to each module, one at a time, and notes
which stages run. A real change in a module also runs the later stages, if it changes the outputs.

"""


def other_value(key: str, value: Any) -> Any:
    """Return another allowed value of a parameter: a number grows by one or, if a share, halves; null is a name."""
    if key in OTHER_VALUES:
        return OTHER_VALUES[key]
    if value is None:
        return "other"
    return value / 2 if isinstance(value, float) else value + 1


def set_parameter(folder: Path, key: str, value: Any) -> None:
    """Change one parameter in the params.yaml of `folder`."""
    for name in reversed(key.split(".")):
        value = {name: value}
    clones.set_params(folder, value)


def modules(folder: Path) -> list[str]:
    """Return the modules of the stages, by path."""
    return sorted(str(path.relative_to(folder)) for path in (folder / "stages").rglob("*.py"))


def repro(folder: Path, *options: str) -> list[str]:
    """Run `dvc repro` in `folder`, and return the stages that ran. With `--dry`, they would run."""
    dvc = Path(sys.executable).with_name("dvc")
    done = subprocess.run([dvc, "repro", *options], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`dvc repro` failed:\n{done.stdout}{done.stderr}")
    return [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]


def table(folder: Path) -> pd.DataFrame:
    """Make every change in turn, and return a row for each: the change, then a column per stage."""
    rows: dict[str, list[str]] = {}
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    changes = list(flat(YAML(typ="safe").load(text)))
    for key, value in tqdm(changes, "parameters", disable=None):
        set_parameter(folder, key, other_value(key, value))
        rows[f"`{key}`"] = repro(folder)
        (folder / "params.yaml").write_text(text, encoding="utf-8")
    repro(folder)
    for module in tqdm(modules(folder), "modules", disable=None):
        path = folder / module
        source = path.read_bytes()
        path.write_bytes(source + b"# changed\n")
        # A comment changes no output, so that no stage runs because of another, and nothing has to be computed.
        rows[f"`{module}`"] = repro(folder, "--dry")
        path.write_bytes(source)
    if ran := repro(folder):
        raise UserError(f"all changes are undone, but {', '.join(ran)} ran again")
    return pd.DataFrame(
        [[change, *("runs" if stage in ran else "" for stage in STAGES)] for change, ran in rows.items()],
        columns=["changed", *STAGES],
    )


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory(prefix="multihot-") as scratch:
        folder = Path(scratch) / "multihot"
        clones.clone(Path.cwd(), folder)
        for name in ("data/other/reviews.csv", "data/other/other.csv", "data/own/other.csv"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("text,label\n", encoding="utf-8")
        repro(folder)
        source = YAML(typ="safe").load((folder / "results" / "metrics.json").read_text(encoding="utf-8"))["source"]
        found = table(folder)
    PAGE.write_text(INTRODUCTION.format(source=source) + found.to_markdown(index=False) + "\n", encoding="utf-8")
    print(f"-> {PAGE}")


if __name__ == "__main__":
    main()
