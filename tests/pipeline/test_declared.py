"""dvc.yaml lists all dependencies, and `checks.declared` reports what is missing or unused."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from checks import declared
from tests.conftest import ROOT
from tests.pipeline.conftest import STAGES, Clone

IMPORTED = """
import json, pathlib, runpy, sys
try:
    runpy.run_module("stages.{stage}", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code
root = pathlib.Path.cwd()
files = {{module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "stages"}}
print(json.dumps([str(pathlib.Path(file).relative_to(root)) for file in files] + ["stages/{stage}/__main__.py"]))
"""


@pytest.mark.parametrize("stage", STAGES)
def test_the_check_finds_the_modules_that_a_running_stage_imports(clone: Clone, stage: str) -> None:
    printed = clone.run(sys.executable, "-c", IMPORTED.format(stage=stage)).stdout
    imported = set(json.loads(printed.splitlines()[-1])) - declared.CANNOT_CHANGE_OUTPUTS.keys()
    imported = {path for path in imported if not declared._only_docstring(clone.folder / path)}
    assert imported == declared._imported(clone.folder, stage)


def test_dvc_yaml_is_complete() -> None:
    assert declared.problems(ROOT) == []


@pytest.mark.parametrize(
    ("stage", "kind", "removed", "added", "problem"),
    [
        ("train", "deps", "stages/train", None, "train: imports stages/train/loop.py, which is not among its deps"),
        ("vectorize", "deps", "stages/storage.py", None, "vectorize: imports stages/storage.py, which is not among"),
        ("vectorize", "deps", None, "stages/train/loop.py", "vectorize: lists stages/train/loop.py among its deps,"),
        ("train", "deps", None, "stages/download", "train: lists stages/download/imdb.py among its deps, but does not"),
        ("train", "params", "train", None, "train: reads the section train of params.yaml, which is not listed"),
        ("download", "params", None, "train", "download: lists the parameters train, but does not read such a section"),
    ],
)
def test_an_undeclared_or_unused_dependency_is_reported(
    tmp_path: Path, stage: str, kind: str, removed: str | None, added: str | None, problem: str
) -> None:
    (tmp_path / "stages").symlink_to(ROOT / "stages")
    yaml = YAML()
    pipeline = yaml.load(ROOT / "dvc.yaml")
    entries = pipeline["stages"][stage][kind]
    if removed:
        entries.remove(removed)
    if added:
        entries.append(added)
    yaml.dump(pipeline, tmp_path / "dvc.yaml")
    found = declared.problems(tmp_path)
    assert any(line.startswith(f"dvc.yaml: {problem}") for line in found)
    assert all(line.startswith(f"dvc.yaml: {stage}: ") for line in found)


@pytest.mark.parametrize(("stage", "file"), [("vectorize", "data/raw"), ("evaluate", "results/history.csv")])
def test_a_stage_that_reads_a_file_that_is_not_listed_ends_with_an_error(clone: Clone, stage: str, file: str) -> None:
    path, yaml = clone.folder / "dvc.yaml", YAML()
    pipeline = yaml.load(path)
    pipeline["stages"][stage]["deps"].remove(file)
    yaml.dump(pipeline, path)
    done = clone.run(sys.executable, "-m", f"stages.{stage}", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: dvc.yaml: {stage} reads {file}")
    assert len(done.stderr.splitlines()) == 1


def test_an_unused_parameter_is_reported(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "stages", tmp_path / "stages")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    for path in tmp_path.rglob("*.py"):
        text = path.read_text().replace("settings.holdout_epochs", "20")
        path.write_text(text.replace("settings.evaluate.threshold", "0.5"))
    assert declared.problems(tmp_path) == [
        "params.yaml: no stage reads train.holdout_epochs",
        "params.yaml: no stage reads evaluate.threshold",
    ]
