"""Check that dvc.yaml is complete. `python -m checks.declared` prints each problem in a line, and then exits with 1.

DVC runs a stage again when a dependency or a parameter that dvc.yaml lists has changed. So each stage has to list
exactly the modules that it imports and that can change its outputs, and exactly the sections of params.yaml that it
reads. Each parameter has to be used, and no stage may import another. The check reads the source without running it: it
finds modules by their import statements, sections as attributes of `params.load()`, and parameters as attributes in the
modules of the stage.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel
from ruamel.yaml import YAML

from stages.params import Params

CANNOT_CHANGE_OUTPUTS = {
    "stages/__init__.py": "checks the environment before a program starts",
    "stages/console.py": "prints, and handles errors and interrupts",
    "stages/dependencies.py": "compares inputs, and removes outputs",
    "stages/encoding/__init__.py": "names the tokenizers, for validation",
    "stages/workers.py": "runs tasks, whose results do not depend on where",
    "stages/params.py": "validates params.yaml, whose values are dependencies themselves",
}
"""Modules that no stage lists among its dependencies, each with the reason. Packages with only a docstring are left out
as well."""


def problems(root: Path) -> list[str]:
    """Return the problems of the project in `root`, one line each."""
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    found, read = [], dict[str, set[str]]()
    for name, stage in stages.items():
        listed, imported = _listed(root, stage.get("deps", [])), _imported(root, name)
        found += [f"{name}: imports {path}, which is not among its deps" for path in sorted(imported - listed)]
        found += [f"{name}: lists {path} among its deps, but does not import it" for path in sorted(listed - imported)]
        others = tuple(f"stages/{other}/" for other in stages if other != name)
        found += [f"{name}: imports {path}, of another stage" for path in sorted(imported) if path.startswith(others)]
        listed, read[name] = set(stage.get("params", [])), _read(root, name)
        missing, unused = sorted(read[name] - listed), sorted(listed - read[name])
        found += [f"{name}: reads the section {section} of params.yaml, which is not listed" for section in missing]
        found += [f"{name}: lists the parameters {key}, but does not read such a section" for key in unused]
    unread = [f"params.yaml: no stage reads {key}" for key in _unused(root, read)]
    return [*(f"dvc.yaml: {problem}" for problem in found), *unread]


def _listed(root: Path, deps: list[str]) -> set[str]:
    """Return the modules among the deps of a stage. A folder stands for all modules in it."""
    modules: set[str] = set()
    for dep in deps:
        if dep.startswith("stages"):
            path = root / dep
            files = path.rglob("*.py") if path.is_dir() else [path]
            modules |= {str(each.relative_to(root)) for each in files if not _only_docstring(each)}
    return modules


def _imported(root: Path, stage: str) -> set[str]:
    """Return the modules of this project that `python -m stages.STAGE` imports."""
    found: set[str] = set()
    waiting = [f"stages.{stage}.__main__"]
    while waiting:
        module = waiting.pop()
        for path in _files(root, module):
            if str(path.relative_to(root)) not in found:
                found.add(str(path.relative_to(root)))
                waiting += _imports(path)
    return {path for path in found - CANNOT_CHANGE_OUTPUTS.keys() if not _only_docstring(root / path)}


def _only_docstring(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return path.name == "__init__.py" and all(isinstance(node, ast.Expr) for node in body)


def _files(root: Path, module: str) -> Iterator[Path]:
    """Yield the files that run when a module is imported: its own, and those of the packages around it."""
    parts = module.split(".")
    if parts[0] != "stages":
        return
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                yield path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # Each name may be a module. If it is not, there is no such file.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _read(root: Path, stage: str) -> set[str]:
    """Return the sections of params.yaml that the modules of a stage read."""
    sections: set[str] = set()
    for path in (root / "stages" / stage).glob("*.py"):
        named = set(re.findall(r"params\.load\(\)(?:\.(\w+))?", path.read_text(encoding="utf-8")))
        sections |= named if named <= Params.model_fields.keys() else set(Params.model_fields)
    return sections


def _unused(root: Path, read: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield the parameters that no stage uses as an attribute, given the sections that each stage reads.

    `evaluate` reads all sections, because the report shows them. It uses a parameter if it names its whole key.
    """
    used = {stage: set(_attributes(root / "stages" / stage)) for stage in read}
    for section in Params.model_fields:
        every = set(Params.model_fields)
        readers = {stage: sections == every for stage, sections in read.items() if section in sections}
        for key in _keys(Params, section):
            ends = {stage: key if reads_all else key.rpartition(".")[2] for stage, reads_all in readers.items()}
            if not any(text.endswith(f".{end}") for stage, end in ends.items() for text in used[stage]):
                yield key


def _attributes(folder: Path) -> Iterator[str]:
    """Yield the attributes in the modules of a folder, such as `settings.files.seed`."""
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                yield ast.unparse(node)


def _keys(model: type[BaseModel], name: str, prefix: str = "") -> Iterator[str]:
    """Yield the dotted key of a parameter or, for a section, the keys of its parameters."""
    kind = model.model_fields[name].annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for inner in kind.model_fields:
            yield from _keys(kind, inner, f"{prefix}{name}.")
    else:
        yield prefix + name


def main() -> None:
    """Check the project in the working directory."""
    found = problems(Path.cwd())
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main()
