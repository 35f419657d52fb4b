"""Which stages a change reruns, on the real pipeline. docs/caching.md has the table of all changes."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import scipy.sparse
from ruamel.yaml import YAML

from checks import caching
from stages.evaluate.report import flat
from tests.conftest import ROOT
from tests.pipeline.conftest import STAGES, Clone


def _content(path: Path) -> dict[Path, bytes]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {file: file.read_bytes() for file in files if file.is_file()}


def test_a_changed_module_or_parameter_reruns_the_stages_that_use_it_and_undoing_it_none(clone: Clone) -> None:
    """The changed module adds a layer that only Keras computes."""
    for path in ("README.md", "stages/console.py", "stages/params.py", "stages/predict/show.py"):
        with (clone.folder / path).open("a") as file:
            file.write("# changed\n")
    assert clone.repro() == []
    module = clone.folder / "stages" / "train" / "network.py"
    source = module.read_text()
    last = "    network.add(keras.layers.Dense(1, "
    assert source.count(last) == 1
    module.write_text(source.replace(last, f"    network.add(keras.layers.LayerNormalization())\n{last}"))
    clone.set({"vectorize": {"num_words": 300}})
    printed = clone.dvc("repro")
    ran = [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running")]
    assert ran == ["vectorize", "train", "evaluate"]
    assert "LayerNormalization" in printed
    predictions = clone.table("results/predictions.parquet")["probability"]
    rows = scipy.sparse.load_npz(clone.folder / "data/features/test/part-00000.npz").toarray()
    expected = keras.models.load_model(clone.folder / "models/model.keras").predict(rows, verbose=0)[:, 0]
    np.testing.assert_allclose(predictions, expected, atol=1e-6)
    assert "vectorize.num_words" in clone.dvc("params", "diff")
    assert "test.loss" in clone.dvc("metrics", "diff")
    module.write_text(source)
    clone.run("git", "checkout", "--quiet", "params.yaml")
    assert clone.repro() == []
    assert clone.run("git", "status", "--porcelain", "--", ":!stages", ":!README.md").stdout == ""


def test_lost_and_damaged_outputs_are_restored_from_the_cache(clone: Clone) -> None:
    outputs = clone.outputs(*STAGES)
    before = {file: content for path in outputs for file, content in _content(path).items()}
    for path in outputs:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert clone.repro() == []
    assert {file: file.read_bytes() for file in before} == before
    for file, content in before.items():
        file.unlink()  # it may be a link into the cache
        file.write_bytes(content[:-1])
    assert clone.repro() == []
    assert {file: file.read_bytes() for file in before} == before


def test_the_table_names_every_parameter_and_every_module() -> None:
    named = re.findall(r"^\| `(.+?)`", caching.PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    assert named == [*(key for key, _ in flat(values)), *caching.modules(ROOT)], "run `make caching`"
