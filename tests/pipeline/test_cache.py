"""Which stages run again after which change, asked of the real dvc, parameter by parameter, file by file.

The stages are stand-ins: each writes, to every path that dvc.yaml gives it, a digest of its data and of the parameters
that it lists, and takes no time. What DVC decides rests on dvc.yaml alone, which is the project's but for the commands;
test_dvc.py has the real stages. The table is docs/caching.md: `UPDATE_DOCS=1 pytest tests/pipeline/test_cache.py`
writes it anew.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.params import Params
from tests.conftest import ROOT
from tests.pipeline.conftest import STAGES, Clone

DOCS = ROOT / "docs" / "caching.md"

CHANGED: dict[str, Any] = {
    "data.sources": ["files", "synthetic"],
    "data.tokenizer": "unicode",
    "data.files.folder": "data/other",
    "data.files.train": "other.csv",
    "data.files.test": "test.csv",
    "data.files.text": "words",
    "data.files.label": "class",
    "data.files.positive": "good",
    "train.hidden_units": [8],
    "train.activation": "tanh",
    "train.optimizer": "adam",
    "train.loss": "mean_squared_error",
}
"""A new value for each parameter that is not a number; numbers are made larger or, below 1, halved."""


class Project:
    """A copy of the project with stand-ins for stages, and dvc in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clone = Clone(folder)
        self.clone.fill()
        (folder / "data" / "other").mkdir()
        (folder / "data" / "other" / "reviews.csv").write_text("text,label\n")
        self.yaml = YAML()
        pipeline = self.yaml.load(folder / "dvc.yaml")
        for name, stage in pipeline["stages"].items():
            stage["cmd"] = f"sh stand_in.sh {name}"
        self.yaml.dump(pipeline, folder / "dvc.yaml")
        self.outs = {
            name: list(map(_path, [*stage.get("metrics", []), *stage["outs"]]))
            for name, stage in pipeline["stages"].items()
        }
        self.modules = sorted(
            str(path.relative_to(folder)) for path in (folder / "stages").rglob("*.py") if "predict" not in path.parts
        )
        (folder / "stand_in.sh").write_text(_stand_in(pipeline["stages"], self.outs))
        self.repo = Repo(str(folder))

    def run(self) -> list[str]:
        """Run `dvc repro`, and return the stages that ran."""
        marks = self.folder / "ran"
        marks.write_text("")
        self.repo._reset()
        self.repo.reproduce()
        return marks.read_text().split()

    def changes(self) -> list[str]:
        """What differs from what is committed, dvc.lock and metrics among it, by git's word."""
        return self.clone.run("git", "status", "--porcelain", "--", ":!ran").stdout.splitlines()

    def set(self, key: str, value: Any) -> None:
        params = self.yaml.load(self.folder / "params.yaml")
        section = params
        *path, last = key.split(".")
        for name in path:
            section = section[name]
        section[last] = value
        self.yaml.dump(params, self.folder / "params.yaml")


def _path(out: "str | dict[str, Any]") -> str:
    return out if isinstance(out, str) else next(iter(out))


def _stand_in(stages: dict[str, Any], outs: dict[str, list[str]]) -> str:
    """A shell script: for each stage, hash its data and parameters, and write that to each of its outputs."""
    lines = ["set -e", 'echo "$1" >> ran']
    for name, stage in stages.items():
        data = [dep for dep in stage["deps"] if not dep.startswith(("stages", "$"))]
        data += ["data/own"] if name == "download" else []
        lines += [f'if [ "$1" = {name} ]; then']
        # Of params.yaml each stage's own sections count, which start at the left margin.
        sections = "|".join(stage.get("params", ["none"]))
        lines += [
            f"digest=$( (find {' '.join(data)} -type f -exec cat {{}} + ; "
            f"awk '/^[a-z]/ {{ on = ($0 ~ /^({sections}):/) }} on' params.yaml) | cksum)"
        ]
        for out in outs[name]:
            folder = "." not in Path(out).name
            target = f"{out}/content" if folder else out
            lines += [f"rm -rf {out}; mkdir -p {Path(target).parent}; echo {out} $digest > {target}"]
        for dep in [dep for other in stages.values() for dep in other["deps"]]:
            for out in outs[name]:  # a file that a later stage wants from within an output folder
                if isinstance(dep, str) and dep.startswith(f"{out}/"):
                    inside = dep if "." in Path(dep).name else f"{dep}/content"
                    lines += [f"mkdir -p {Path(inside).parent}; echo {dep} $digest > {inside}"]
        lines += ["fi"]
    return "\n".join(lines) + "\n"


def _parameters(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _parameters(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _other(key: str, value: Any) -> Any:
    if key in CHANGED:
        return CHANGED[key]
    return value / 2 if isinstance(value, float) else value + 1


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(tmp_path_factory.mktemp("cache") / "multihot")
    before = Path.cwd()
    os.chdir(made.folder)
    assert made.run() == list(STAGES)
    made.clone.commit("run")
    yield made
    os.chdir(before)


@pytest.fixture(scope="module")
def table(project: Project) -> dict[str, list[str]]:
    """What is changed, and the stages that then run."""
    rows: dict[str, list[str]] = {}
    params = project.clone.read("params.yaml")
    for key, value in _parameters(project.yaml.load(project.folder / "params.yaml")):
        project.set(key, _other(key, value))
        rows[f"parameter {key}"] = project.run()
        (project.folder / "params.yaml").write_text(params)
        assert project.run() == [], f"{key}: undone, and still a stage runs"
        assert project.changes() == [], f"{key}: undone, and results are not as before"
    for module in project.modules:
        path = project.folder / module
        source = path.read_bytes()
        path.write_bytes(source + b"# changed\n")
        rows[f"module {module}"] = project.run()  # which undoes the change before, too, from the cache
        path.write_bytes(source)
    assert project.run() == [], "all modules are as before, and still a stage runs"
    assert project.changes() == [], "all modules are as before, and results are not"
    for outs in project.outs.values():
        for out in outs:
            path = project.folder / out
            before = _content(path)
            for name, harm in (("deleted", _delete), ("damaged", _damage)):
                harm(path)
                rows[f"{out} {name}"] = project.run()
                assert _content(path) == before, f"{out}: {name}, and not restored"
    return rows


def _content(path: Path) -> dict[str, bytes]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


def _delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _damage(path: Path) -> None:
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            content = file.read_bytes()
            file.unlink()  # it may be a link into the cache
            file.write_bytes(content[:-1])


def test_a_parameter_runs_its_stage_and_all_after_it(project: Project, table: dict[str, list[str]]) -> None:
    keys = {key for key, _ in _parameters(project.yaml.load(project.folder / "params.yaml"))}
    assert {name.partition(".")[0] for name in keys} == set(Params.model_fields)
    for key in keys:
        first = {"data": "download"}.get(key.partition(".")[0], key.partition(".")[0])
        assert table[f"parameter {key}"] == list(STAGES[STAGES.index(first) :]), key


def test_a_module_runs_the_stages_that_import_it(project: Project, table: dict[str, list[str]]) -> None:
    for module in project.modules:
        ran = table[f"module {module}"]
        own = module.split("/")[1]
        assert (own in ran) if own in STAGES else ran == list(STAGES), module
        assert not [stage for stage in ran if own in STAGES and STAGES.index(stage) < STAGES.index(own)], module


def test_a_lost_or_damaged_output_is_restored(project: Project, table: dict[str, list[str]]) -> None:
    for out in [out for outs in project.outs.values() for out in outs]:
        for harm in ("deleted", "damaged"):
            assert table[f"{out} {harm}"] == [], out


def test_the_table_is_in_the_docs(table: dict[str, list[str]]) -> None:
    lines = [
        "# What runs again",
        "",
        "After each change `dvc repro` runs the stages marked; what is not marked stays, or comes from the cache.",
        "When a change is undone, `dvc repro` brings all results back from the cache, with nothing run.",
        "`tests/pipeline/test_cache.py` asks the real dvc, and writes this page.",
        "",
        f"| changed | {' | '.join(STAGES)} |",
        f"| --- |{' :---: |' * len(STAGES)}",
        *(
            f"| {what} | {' | '.join('runs' if stage in ran else '' for stage in STAGES)} |"
            for what, ran in table.items()
        ),
    ]
    content = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_DOCS"):
        DOCS.write_text(content, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == content
