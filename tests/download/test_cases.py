"""Reviews in the shapes in which people have them: tests/cases/cases.json says what `download` makes of each."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stages import console
from stages.contracts.reviews import RAW
from stages.download import __main__ as download
from tests.conftest import write_params

FOLDER = Path(__file__).parents[1] / "cases"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(FOLDER, folder / "data/own")
    data = {"sources": ["files", "synthetic"], "tokenizer": case.get("tokenizer", "keras")}
    files = {"folder": "data/own", "train": case["file"], "test_share": 0.25, **case["set"]}
    write_params(folder, {"data": {**data, "files": files}})
    if "refused" in case:
        with pytest.raises(console.UserError) as caught:
            download.main()
        message = str(caught.value)
        assert len(message.splitlines()) <= 2
        assert [word for word in case["refused"] if word not in message] == []
        assert not RAW.exists()
        return
    download.main()
    said = capsys.readouterr().out
    splits = [pq.read_table(RAW / split) for split in ("train", "test")]
    assert sum(split.num_rows for split in splits) == case["rows"]
    assert sum(sum(split.column("label").to_pylist()) for split in splits) == case["positive"]
    assert [word for word in case.get("says", []) if word not in said] == []
    words = set(pq.read_table(RAW / "vocabulary.parquet").column("word").to_pylist())
    assert words.isdisjoint(case.get("no_words", []))
