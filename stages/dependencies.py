"""Notice when a dependency of a stage changes while the stage runs.

DVC hashes the dependencies of a stage after its command has ended. If you edit an input meanwhile, DVC would record the
edited input as what the outputs were made from, and keep the wrong result in its run cache. So a stage notes its
dependencies when it starts, and compares them before it puts an output in place and when it ends.

A file has changed if its size, modification time or inode has; one at an address, if fsspec's details of it have. A
parameter has changed if its value has.
"""

import atexit
import os
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

_PIPELINE = Path("dvc.yaml")
_Files = dict[str, object]
"""For each file, its size, modification time and inode, or other details that change with it."""


class _Stage(NamedTuple):
    name: str
    deps: list[str]
    """Files and folders, as dvc.yaml lists them."""
    params: list[str]
    """Dotted keys of params.yaml."""
    inputs: _Files
    """The files of `deps` when the stage started."""
    outputs: dict[str, _Files]
    """The files of each output when the stage started. There are none if DVC has started the stage."""


_running: _Stage | None = None
"""The stage that this process runs, or None for other programs, such as tests."""


def note() -> None:
    """Note the dependencies of the stage that `python -m stages.NAME` runs, as dvc.yaml lists them.

    Call it before any module of the stage is imported, because modules are dependencies too. Other programs depend on
    nothing: for them, this does not parse dvc.yaml.

    Raises:
        ImportError: dvc.yaml is not valid. It names the package, so that Python prints it in one line.
    """
    global _running
    name = next((word.removeprefix("stages.") for word in sys.orig_argv[1:] if word.startswith("stages.")), "")
    if sys.argv[0] != "-m" or not _PIPELINE.is_file() or f"stages.{name}" not in _PIPELINE.read_text(encoding="utf-8"):
        return
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stage = YAML(typ="safe").load(_PIPELINE)["stages"].get(name)
    except YAMLError as error:
        raise ImportError(f"{_PIPELINE} is not valid YAML: {str(error).splitlines()[0]}", name="stages") from None
    if stage:
        deps = stage.get("deps", [])
        listed = [*stage.get("outs", []), *stage.get("metrics", [])]
        outputs = [out if isinstance(out, str) else next(iter(out)) for out in listed]
        _running = _Stage(
            name,
            deps,
            stage.get("params", []),
            _files(deps),
            {output: _files([output]) for output in outputs},
        )


def check() -> None:
    """Compare the dependencies of the running stage with those that `note` has found.

    Raises:
        UserError: One of them has changed. The outputs that the stage has written so far are removed.
    """
    if _running is None:
        return
    from stages import params
    from stages.console import UserError

    now = _files(_running.deps)
    different = {path for path in _running.inputs.keys() | now if _running.inputs.get(path) != now.get(path)}
    if params.changed(_running.params):
        different = {str(params.PARAMS)}
    if different:
        for output, before in _running.outputs.items():
            if _files([output]) != before:
                path = Path(output)
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise UserError(f"{min(different)} changed while {_running.name} ran: run `dvc repro` again")


def require_listed(path: Path) -> None:
    """Check that dvc.yaml lists a file that the running stage reads, among its dependencies or its outputs.

    Raises:
        UserError: dvc.yaml does not list the file, so DVC would not run the stage again when the file changes.
    """
    if _running and not any(path.is_relative_to(listed) for listed in (*_running.deps, *_running.outputs)):
        from stages.console import UserError

        raise UserError(f"dvc.yaml: {_running.name} reads {path}, which is not among its deps: add it there")


def finish() -> None:
    """Compare the dependencies a last time, and end the process with exit code 0. Other programs go on.

    After TensorFlow was imported, Python needs up to a second to exit. A change in this second would go unnoticed, so
    the exit handlers run before the comparison, and the process ends right after it.

    Raises:
        UserError: As `check` does.
    """
    if _running is not None:
        atexit._run_exitfuncs()
        check()
        sys.stdout.flush()
        os._exit(0)


def _files(deps: list[str]) -> _Files:
    """Return the files of dependencies as DVC sees them: without those in .dvcignore."""
    from pathspec import GitIgnoreSpec

    ignore = Path(".dvcignore")
    ignored = GitIgnoreSpec.from_lines(ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else [])
    paths: list[Path] = []
    resolved = list(map(_resolved, deps))
    for dep in map(Path, resolved):
        paths += [dep] if dep.is_file() else []
        for folder, folders, names in os.walk(dep):
            folders[:] = [name for name in folders if not ignored.match_file(f"{folder}/{name}/")]
            paths += [Path(folder, name) for name in names if not ignored.match_file(f"{folder}/{name}")]
    found: _Files = {str(path): _look(path) for path in paths}
    for address in resolved:
        found |= _files_at(address) if "://" in address else {}
    return found


def _files_at(address: str) -> _Files:
    """Return the state of each file below an address.

    If the address cannot be read, there are none. If the stage reads its files, the stage then reports the error.
    """
    try:
        from upath import UPath

        folder = UPath(address)
        folder.fs.invalidate_cache()
        found = folder.fs.find(folder.path, detail=True)
    except Exception:  # each package has its own
        return {}
    return {f"{folder.protocol}://{name}": repr(details) for name, details in found.items()}


def _resolved(dep: str) -> str:
    """Replace `${section.key}` by the value of the parameter, as DVC does."""
    if "$" not in dep:
        return dep
    from stages import params

    return re.sub(r"\$\{(.+?)\}", lambda key: str(params.value(key[1])), dep)


def _look(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:  # a link to nothing, or a file that was removed a moment ago
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ino
