"""params.yaml: what `stages.params` accepts of any text has the values that DVC's own parser reads."""

import json
from pathlib import Path

from dvc.utils.serialize import load_yaml
from hypothesis import given
from hypothesis import strategies as st

from stages import params
from tests.conftest import ROOT
from tests.fuzz.given import answer, damaged

REAL = (ROOT / "params.yaml").read_text(encoding="utf-8")
KEYS = ["data", "train", "seed", "sources", "epochs", "hidden_units", "files", "positive", "a", "<<", ""]
ODD = [
    *("&a [*a]", "*a", "&a", "*seed", "<<: *a", "- *a", "&a {<<: *a}", "? [1]", "? {a: b}", "{1: 2}", "{null: 1}"),
    *("!!python/object/apply:os.system ['touch canary']", "!!python/name:os.system", "!x y", "!!str 1"),
    *("2001-01-01", "2001-99-99", "2001-01-01 10:00:00Z", "9" * 4299, "0b1", "0o17", "1e999", ".nan", "-.inf", "1_000"),
    *("190:20:30", "017", "yes", "~", "=", "%YAML 1.1\n---", "---\n---", "...", "# c", "|\n a", "\t", "1.0", "true"),
    *("k" * 5000, "'" + "k" * 5000 + "': 1", "0", "-1", "best"),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda values: (
        st.lists(values, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), values, max_size=4)
    ),
    max_leaves=8,
).map(json.dumps)


@st.composite
def edited(draw: st.DrawFn) -> str:
    """Draw params.yaml after one to five wrong edits."""
    lines = REAL.split("\n")
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        key = lines[at].partition(":")[0]
        match draw(st.sampled_from(["value", "value", "value", "odd", "remove", "repeat", "swap", "indent"])):
            case "value":
                lines[at] = f"{key}: {draw(VALUES | st.sampled_from(ODD))}"
            case "odd":
                lines[at:at] = [" " * draw(st.sampled_from([0, 2, 4])) + draw(st.sampled_from(ODD))]
            case "remove":
                del lines[at : at + draw(st.integers(1, 5))]
                lines = lines or [""]
            case "repeat":
                lines[at:at] = [lines[at]]
            case "swap":
                lines[at - 1], lines[at] = lines[at], lines[at - 1]
            case "indent":
                lines[at] = " " + lines[at]
    return "\n".join(lines)


def check(content: bytes) -> None:
    """Load the parameters. If they are accepted, DVC reads the same values."""
    Path("params.yaml").write_bytes(content)
    found = answer(params.load, lines=100)
    assert not Path("canary").exists()
    if found is not None:
        assert found.model_dump() == load_yaml("params.yaml")


@given(edited())
def test_edited(folder: Path, text: str) -> None:
    check(text.encode(errors="replace"))


@given(st.text() | st.lists(VALUES | st.sampled_from([*ODD, *(f"{key}:" for key in KEYS)])).map("\n".join))
def test_any_text(folder: Path, text: str) -> None:
    check(text.encode(errors="replace"))


@given(
    damaged(REAL.encode())
    | st.binary()
    | st.sampled_from(["utf-16", "utf-32", "latin-1", "utf-8-sig"]).map(REAL.encode)
)
def test_any_bytes(folder: Path, content: bytes) -> None:
    check(content)


def test_params_yaml_is_accepted(folder: Path) -> None:
    Path("params.yaml").write_text(REAL, encoding="utf-8")
    assert params.load().model_dump() == load_yaml("params.yaml")
