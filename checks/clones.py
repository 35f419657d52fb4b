"""A clone of HEAD in which the pipeline runs with its own cache."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SMALL: dict[str, dict[str, object]] = {
    "data": {"sources": ["synthetic"], "synthetic": {"train_rows": 600, "test_rows": 200}},
    "vectorize": {"num_words": 500},
    "train": {"holdout_rows": 200, "holdout_epochs": 3, "epochs": 2, "batch_size": 64},
}
"""Parameters for a quick run: the whole pipeline takes little longer than the imports."""


def clone(root: Path, folder: Path) -> Path:
    """Clone the git repository of the project in `root` to `folder`, without what is not committed.

    Returns:
        The project in the clone. It is `folder` itself unless the project is a subfolder of its repository.
    """
    command = ["git", "rev-parse", "--show-toplevel", "--show-prefix"]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {root} is not in a git repository, of which this check makes a clone")
    top, prefix = done.stdout.splitlines()
    subprocess.run(["git", "clone", "--quiet", top, folder], check=True)
    own_cache(folder / prefix)
    return folder / prefix


def own_cache(folder: Path) -> None:
    """Make the project in `folder` keep its cache inside, whatever the user's DVC settings are.

    From a cache of several projects, DVC would take results instead of computing them.
    """
    dvc, cache = Path(sys.executable).with_name("dvc"), folder / ".dvc" / "cache"
    subprocess.run([dvc, "config", "--quiet", "--local", "cache.dir", cache], cwd=folder, check=True)


def set_params(folder: Path, values: Mapping[str, Mapping[str, object]]) -> None:
    """Change values in the params.yaml of `folder`. Its comments are lost."""
    path = folder / "params.yaml"
    params: Any = YAML(typ="safe").load(path)
    for section, changes in values.items():
        for key, value in changes.items():
            if isinstance(value, dict):
                params[section][key].update(value)
            else:
                params[section][key] = value
    YAML().dump(params, path)
