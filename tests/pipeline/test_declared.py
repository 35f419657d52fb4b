"""dvc.yaml tells the truth: each stage depends on exactly the modules that its process imports."""

import json
import sys

import pytest
from ruamel.yaml import YAML

from tests.pipeline.conftest import Clone

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


@pytest.mark.parametrize("stage", ["download", "vectorize", "train", "evaluate"])
def test_a_stage_depends_on_what_it_imports(clone: Clone, stage: str) -> None:
    printed = clone.run(sys.executable, "-c", IMPORTED.format(stage=stage)).stdout
    imported = set(json.loads(printed.splitlines()[-1]))
    declared = set()
    for dep in YAML(typ="safe").load(clone.folder / "dvc.yaml")["stages"][stage]["deps"]:
        path = clone.folder / dep
        if dep.startswith("stages"):
            declared |= {str(file.relative_to(clone.folder)) for file in path.rglob("*.py")} if path.is_dir() else {dep}
    assert imported - declared == set(), f"{stage} imports modules that dvc.yaml does not list among its deps"
    assert declared - imported == set(), f"dvc.yaml lists modules that {stage} does not import"
