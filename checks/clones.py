"""A clone of HEAD to run the pipeline in, with a cache of its own."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

SMALL: dict[str, dict[str, object]] = {
    "data": {"sources": ["synthetic"], "synthetic": {"train_rows": 600, "test_rows": 200}},
    "vectorize": {"num_words": 500},
    "train": {"holdout_rows": 200, "holdout_epochs": 3, "epochs": 2, "batch_size": 64},
}
"""Parameters with which the whole pipeline takes as long as TensorFlow takes to start."""


def clone(root: Path, folder: Path) -> None:
    """Clone HEAD of the project in `root` to `folder`; what is not committed stays behind."""
    subprocess.run(["git", "clone", "--quiet", root, folder], check=True)
    own_cache(folder)


def own_cache(folder: Path) -> None:
    """Let the project in `folder` keep its cache inside, whatever this person's settings say.

    A cache that is shared would hand out what is to be computed.
    """
    dvc, cache = Path(sys.executable).with_name("dvc"), folder / ".dvc" / "cache"
    subprocess.run([dvc, "config", "--quiet", "--local", "cache.dir", cache], cwd=folder, check=True)


def set_params(folder: Path, values: Mapping[str, Mapping[str, object]]) -> None:
    """Change values in the params.yaml of `folder`, as an editor would: comments stay."""
    yaml, path = YAML(), folder / "params.yaml"
    params: Any = yaml.load(path)
    for section, changes in values.items():
        for key, value in changes.items():
            if isinstance(value, dict):
                params[section][key].update(value)
            else:
                params[section][key] = _on_one_line(value) if isinstance(value, list) else value
    yaml.dump(params, path)


def _on_one_line(values: list[object]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence
