"""Is dvc.yaml complete? `python -m checks.declared` prints each undeclared or needless dependency, and exits with 1.

DVC runs a stage again when a dependency or a parameter that dvc.yaml lists has changed. So each stage has to list
exactly the project's modules that it imports and that can change its outputs, and exactly the sections of params.yaml
that it reads; no parameter may be unused. No stage may import another. Everything is found in the source, without
running it: modules by their import statements, sections as attributes of `params.load()`, and parameters as attributes
of anything in the stage's folder.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from ruamel.yaml import YAML

from stages.params import Params

CANNOT_CHANGE_OUTPUTS = {
    "stages/__init__.py": "checks the environment before a program starts",
    "stages/console.py": "prints, and handles errors and interrupts",
    "stages/dependencies.py": "compares inputs, and removes outputs",
    "stages/params.py": "validates params.yaml, whose values are dependencies themselves",
}
"""Modules that no stage lists among its dependencies, each with the reason. Packages that hold only a docstring are
left out too."""


def problems(root: Path) -> list[str]:
    """Return what is wrong with dvc.yaml of the project in `root`, a line each."""
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    found = []
    for name, stage in stages.items():
        listed, imported = _listed(root, stage["deps"]), _imported(root, name)
        found += [f"{name}: imports {path}, which is not among its deps" for path in sorted(imported - listed)]
        found += [f"{name}: lists {path} among its deps, but does not import it" for path in sorted(listed - imported)]
        listed, read = set(stage.get("params", [])), _read(root, name)
        found += [f"{name}: reads the parameters {section}, which are not listed" for section in sorted(read - listed)]
        found += [f"{name}: lists the parameters {section}, but reads none" for section in sorted(listed - read)]
        found += [f"{name}: no module reads the parameter {key}" for key in _idle(root, name, read)]
    return found


def _listed(root: Path, deps: list[str]) -> set[str]:
    """The modules among a stage's deps; a folder stands for all that are in it."""
    modules: set[str] = set()
    for dep in deps:
        if dep.startswith("stages"):
            path = root / dep
            files = path.rglob("*.py") if path.is_dir() else [path]
            modules |= {str(each.relative_to(root)) for each in files if not _only_docstring(each)}
    return modules


def _imported(root: Path, stage: str) -> set[str]:
    """The project's modules that `python -m stages.STAGE` imports."""
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
    """The files that importing a module runs: its own, and each package's that it is in."""
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
            # Each name may be a module; where it is not, the file that it would be is not there.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _read(root: Path, stage: str) -> set[str]:
    """The sections of params.yaml that the modules in a stage's folder read."""
    sections: set[str] = set()
    for path in (root / "stages" / stage).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "params.load()":
                sections |= {node.attr} if node.attr in Params.model_fields else set(Params.model_fields)
    return sections


def _idle(root: Path, stage: str, sections: set[str]) -> Iterator[str]:
    """The parameters of the sections a stage reads whose names are no attribute in the stage's modules."""
    if sections == set(Params.model_fields):  # read as a whole, to be shown
        return
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in (root / "stages" / stage).glob("*.py")]
    attributes = {node.attr for source in sources for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    for section in sorted(sections):
        yield from (key for key in _keys(Params, section) if key.rpartition(".")[2] not in attributes)


def _keys(model: type[BaseModel], name: str, prefix: str = "") -> Iterator[str]:
    """The dotted keys of a parameter: its own, or those of the section that it is."""
    kind = model.model_fields[name].annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for inner in kind.model_fields:
            yield from _keys(kind, inner, f"{prefix}{name}.")
    else:
        yield prefix + name


def main() -> None:
    """Check the project in the working directory."""
    found = problems(Path.cwd())
    sys.exit("\n".join(f"dvc.yaml: {problem}" for problem in found) or 0)


if __name__ == "__main__":
    main()
