"""SECURITY.md names every module that reads a file, and no module runs code from a file."""

import ast
import re
from pathlib import Path

from tests.conftest import ROOT

READS = {
    "open", "fdopen", "read_text", "read_bytes", "load", "loads", "load_npz", "load_model", "read_array", "read_table",
    "read_csv", "read_metadata", "ParquetFile", "ZipFile", "pread", "get_template", "validate_json", "TemporaryFile",
    "file_hash",
}  # fmt: skip
"""Names of functions by which content comes from a file."""
RUNS = {"eval", "exec", "compile", "__import__", "import_module", "enable_unsafe_deserialization", "system", "Popen"}
"""Names of functions by which a string becomes a program."""


def calls(path: Path) -> set[str]:
    """The last names of all functions that a module calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            found.add(ast.unparse(node.func).rpartition(".")[2])
    return found


def modules() -> dict[str, set[str]]:
    return {str(path.relative_to(ROOT)): calls(path) for path in sorted((ROOT / "stages").rglob("*.py"))}


def test_every_module_that_reads_a_file_is_listed() -> None:
    listed = set(re.findall(r"^\| `(stages/[^`]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.MULTILINE))
    # `params.load()` is a module's own: it reads through stages/params.py. console.py opens /dev/null, to write.
    own = {name for name, called in modules().items() if called & (READS - {"load"}) and name != "stages/console.py"}
    assert own == listed


def test_no_module_runs_code_from_a_file() -> None:
    for name, called in modules().items():
        source = (ROOT / name).read_text(encoding="utf-8")
        # A network is compiled, and so are regular expressions.
        assert not called & (RUNS - {"compile"}), name
        assert "allow_pickle=True" not in source, name
        assert "safe_mode=False" not in source, name
        assert "pickle" not in source or name in ("stages/download/imdb.py", "stages/contracts/features.py"), name
