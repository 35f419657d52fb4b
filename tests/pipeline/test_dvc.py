"""The commands of DVC on the pipeline, with the real `dvc`."""

import csv
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.predict.model import read_model
from stages.tables.rows import Row
from tests.evaluate import test_slices
from tests.evaluate.test_metrics import by_scikit_learn
from tests.pipeline.conftest import STAGES, Clone


def of(predictions: pd.DataFrame, threshold: float = 0.5) -> dict[str, float]:
    """The metrics of predictions, by scikit-learn."""
    labels, probabilities = (predictions[name].to_numpy() for name in ("label", "probability"))
    return by_scikit_learn(labels, probabilities, threshold=threshold)


def with_tokens(clone: Clone) -> pd.DataFrame:
    """The predictions, and the tokens of their reviews."""
    tokens = clone.table("data/raw/test")["tokens"]
    return clone.table("results/predictions.parquet").assign(tokens=tokens)


def test_dvc_shows_metrics_stages_and_plots(clone: Clone) -> None:
    shown = json.loads(clone.dvc("metrics", "show", "--json"))[""]["data"]["results/metrics.json"]["data"]
    assert shown["source"] == "synthetic"
    assert "test_interval" not in shown  # in the file, but not a column for each end in DVC's tables
    assert {"loss", "binary_accuracy", "roc_auc", "expected_calibration_error"} <= set(shown["test"])
    graph = clone.dvc("dag")
    assert all(stage in graph for stage in STAGES)
    assert "models/model.keras" in clone.dvc("ls", ".", "--dvc-only", "-R")
    clone.dvc("plots", "show")
    plots = YAML(typ="safe").load(clone.folder / "dvc.yaml")["plots"]
    titles = [settings["title"] for plot in plots for settings in plot.values()]
    assert len(titles) == 8
    page = clone.read("dvc_plots/index.html")
    assert all(title in page for title in titles)


def test_an_experiment_runs_with_changed_parameters(clone: Clone) -> None:
    printed = clone.dvc("exp", "run", "-S", "train.batch_size=256", "--name", "large")
    assert [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running")] == ["train", "evaluate"]
    table = clone.dvc("exp", "show", "--csv")
    assert "large" in table
    assert "256" in table


def test_there_are_figures_and_predictions(reproduced: Clone) -> None:
    figures = reproduced.folder / "results" / "figures"
    plots = reproduced.folder / "results" / "plots"
    names = {path.stem for path in plots.glob("*.csv")} | {"loss", "binary_accuracy", "slices"}
    assert {path.name for path in figures.iterdir()} == {f"{name}.png" for name in names}
    assert {"roc", "precision_recall", "calibration", "histogram", "confusion"} <= names
    predictions = reproduced.table("results/predictions.parquet")
    assert predictions.columns.tolist() == ["row", "label", "probability"]
    assert predictions["row"].tolist() == list(range(200))


def test_no_cell_of_a_csv_file_is_a_formula(reproduced: Clone) -> None:
    tables = list((reproduced.folder / "results").rglob("*.csv"))
    assert len(tables) == 7
    for table in tables:
        for cell in itertools.chain(*csv.reader(table.read_text().splitlines())):
            assert re.fullmatch(r"[a-z_]+|[0-9.]+|[a-z ]+: [0-9a-z. ]+", cell), table


def test_the_metrics_agree_with_scikit_learn_on_the_predictions(reproduced: Clone) -> None:
    written = reproduced.json("results/metrics.json")
    predictions = reproduced.table("results/predictions.parquet")
    assert written["test"] == pytest.approx(of(predictions), abs=2e-6)
    for name, value in written["test"].items():
        low, high = written["test_interval"][name]
        assert low <= value <= high
    assert written["rows"] == {"train": 600, "test": 200}
    assert written["columns"] == 500


def test_the_slices_agree_with_the_predictions_and_the_raw_reviews(reproduced: Clone) -> None:
    found = pd.read_csv(reproduced.folder / "results" / "slices.csv")
    test_slices.check(found, with_tokens(reproduced), columns=500, threshold=0.5)
    worst = reproduced.json("results/metrics.json")["worst_slice"]
    assert found["accuracy"][found["slice"] == worst["slice"]].item() == pytest.approx(worst["accuracy"], abs=1e-4)


ALONE = """
import sys
sys.modules["stages"] = None  # as if it were not installed
import keras, scipy.sparse, tensorflow as tf
row = scipy.sparse.load_npz(sys.argv[1])[7].toarray()
model = tf.saved_model.load("moved/serving")
answer = model.signatures["serving_default"]
print(answer.structured_input_signature[1]["text"].shape, answer.structured_outputs["probability"].shape)
print(float(keras.models.load_model("moved/model.keras").predict(row, verbose=0)[0, 0]))
print(float(answer(text=tf.constant(["A grand film!"]))["probability"][0]))
"""


def test_keras_and_tensorflow_alone_predict_as_the_project_does(reproduced: Clone, tmp_path: Path) -> None:
    """Keras predicts a row of the test split, and TensorFlow a text."""
    shutil.copytree(reproduced.folder / "models", tmp_path / "moved")
    part = reproduced.folder / "data/features/test/part-00000.npz"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", ALONE, part],
        cwd=tmp_path, check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    shapes, of_row, of_text = done.stdout.splitlines()
    assert shapes == "(None,) (None,)"
    predictions = reproduced.table("results/predictions.parquet")
    assert float(of_row) == pytest.approx(predictions["probability"][7], abs=1e-6)
    (expected,) = read_model(tmp_path / "moved").answers([Row("here", "A grand film!")], explain=False)
    assert float(of_text) == pytest.approx(expected.probability, abs=1e-6)
    assert "warning:tensorflow" not in done.stderr.lower()
    assert "fingerprint" not in done.stderr.lower()


@pytest.mark.parametrize("program", [["stages.predict", "a fine film"], ["stages.evaluate"]])
def test_only_training_needs_tensorflow(clone: Clone, program: list[str]) -> None:
    done = clone.run(sys.executable, "-X", "importtime", "-m", *program)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "numpy" in imported
    assert not imported & {"tensorflow", "keras"}


def test_the_best_threshold_reruns_evaluate_only_and_is_used_in_the_metrics(clone: Clone) -> None:
    before = clone.json("results/metrics.json")["test"]
    clone.set({"evaluate": {"threshold": "best"}})
    assert clone.repro() == ["evaluate"]
    written = clone.json("results/metrics.json")
    threshold = clone.json("models/threshold.json")["threshold"]
    assert written["threshold"] == threshold != 0.5
    predictions = clone.table("results/predictions.parquet")
    expected = of(predictions, threshold)
    assert written["test"] == pytest.approx(expected, abs=2e-6) != pytest.approx(before, abs=2e-6)
    holdout = clone.table("results/holdout.parquet")
    best = history_of(clone)[1]  # two epochs, as the final network has
    right = (holdout["probability"] > 0.5) == holdout["label"]
    assert right.mean() == pytest.approx(float(best["val_binary_accuracy"]), abs=1e-6)


def test_exp_show_shows_the_epoch_of_a_run_in_the_workspace(clone: Clone) -> None:
    def shown() -> dict[str, object]:
        workspace, *_ = json.loads(clone.dvc("exp", "show", "--json"))
        values: dict[str, object] = workspace["data"]["metrics"]["results/progress.json"]["data"]
        return values

    last = history_of(clone)[-1]
    assert shown() == {name: float(last[name]) for name in ("epoch", "loss", "val_loss")}
    # As a run that is not over has it.
    (clone.folder / "results" / "progress.json").write_text('{"epoch": 1, "loss": 0.6, "val_loss": 0.5}')
    assert shown() == {"epoch": 1, "loss": 0.6, "val_loss": 0.5}


def history_of(clone: Clone) -> list[dict[str, str]]:
    return list(csv.DictReader(clone.read("results/history.csv").splitlines()))


def test_a_users_mistake_is_an_error_without_a_traceback_and_changes_nothing(clone: Clone) -> None:
    before = clone.run("git", "status", "--porcelain").stdout
    mistakes: list[tuple[dict[str, dict[str, object]], str]] = [
        ({"train": {"optimizer": "adma"}}, "error: params.yaml: train.optimizer is 'adma'"),
        ({"train": {"batch_size": 0}}, "error: params.yaml: train.batch_size is 0"),
        ({"data": {"sources": ["imdb"]}}, "error: the source imdb is not available"),
    ]
    for change, message in mistakes:
        clone.set(change)
        done = clone.run("dvc", "repro", check=False, IMDB_MIRROR="no/such/folder", HTTPS_PROXY="http://127.0.0.1:9")
        assert done.returncode != 0
        assert message in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        clone.run("git", "checkout", "--quiet", "params.yaml")
    assert clone.repro() == []
    assert clone.run("git", "status", "--porcelain").stdout == before


def test_dvc_without_activation_finds_the_environment(clone: Clone, tmp_path: Path) -> None:
    """The stages find .venv, although no Python on the PATH has the dependencies."""
    (clone.folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    clone.set({"vectorize": {"num_words": 300}})
    dvc = str(Path(sys.executable).parent / "dvc")
    done = subprocess.run(
        [dvc, "repro", "vectorize"],
        cwd=clone.folder, check=False, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running stage 'vectorize'" in done.stdout


def test_own_reviews_run_through_all_stages_and_a_change_reruns_download(clone: Clone) -> None:
    """The reviews are in Cyrillic, and a column of theirs gives slices."""
    words = {1: "замечательный фильм, отличная игра", 0: "скучный фильм, плохая игра"}
    shops = ["=1+1", "книги", "$x$"]
    lines = [f'"{words[row % 2]} {row}",{row % 2},{shops[row % 3]}' for row in range(500)]
    lines.insert(0, "sentence,sentiment,shop")
    own = clone.folder / "data" / "own" / "reviews.csv"
    own.write_text("\n".join(lines) + "\n", encoding="utf-8")
    data: dict[str, object] = {"sources": ["files"], "tokenizer": "unicode", "files": {"slices": ["shop"]}}
    clone.set({"data": data, "train": {"learning_rate": 0.01}})
    assert clone.repro() == list(STAGES)
    metrics = clone.json("results/metrics.json")
    assert metrics["source"] == "files"
    assert metrics["test"]["binary_accuracy"] == 1.0
    assert "замечательный" in clone.table("data/features/columns.parquet")["word"].tolist()
    found = pd.read_csv(clone.folder / "results" / "slices.csv")
    assert {f"shop: {shop}" for shop in shops} <= set(found["slice"])
    reviews = with_tokens(clone).assign(shop=clone.table("data/raw/test")["shop"])
    test_slices.check(found, reviews, columns=500, threshold=0.5)
    assert clone.repro() == []
    with own.open("a", encoding="utf-8") as file:
        file.write(f'"{words[0]}",0,x\n')
    assert clone.repro("download") == ["download"]
