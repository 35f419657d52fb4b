"""The stage `train` as a whole."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from stages.contracts import model
from stages.train import __main__ as train
from stages.train import rows, weighting
from stages.train.rows import RowRange
from tests.conftest import ROOT, write_features, write_params
from tests.train.test_loop import features


def test_settings_of_the_user_do_not_choose_other_kernels() -> None:
    names = ["TF_ENABLE_ONEDNN_OPTS", "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL"]
    code = f"import os, stages.train; print([os.environ[name] for name in {names}])"
    environment = {**os.environ, **dict.fromkeys(names, "1")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    assert done.stdout == b"['0', '0']\n"


def test_log_count_ratios_do_not_see_the_labels_of_the_hold_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, object] = {"weighting": "log_ratio", "holdout_rows": 100, "holdout_epochs": 1, "epochs": 1}
    write_params(folder, {"train": changes})
    write_features(features(300), "train", 2)
    adapt, used = weighting.adapt, []

    def counted(network: keras.Sequential, ranges: Sequence[RowRange]) -> None:
        used.append((rows.num_rows(ranges), ranges[0].start))
        adapt(network, ranges)

    monkeypatch.setattr(weighting, "adapt", counted)
    train.main()
    # The hold-out is the first 100 rows. The final network is trained on all rows.
    assert used == [(200, 100), (300, 0)]


def test_the_final_network_and_the_predictions_of_the_hold_out_are_those_of_the_best_epoch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: dict[str, object] = {"batch_size": 16, "learning_rate": 0.02, "holdout_rows": 100, "holdout_epochs": 6}
    write_params(folder, {"train": {**changes, "epochs": "best"}})
    write_features(features(300), "train", 2)
    train.main()
    history = pd.read_csv(model.HISTORY)
    best = history.sort_values("val_loss").iloc[0]
    assert best["epoch"] < 6
    assert f"final network: 300 rows, epochs: {best['epoch']:.0f}\n" in capsys.readouterr().out
    labels, probabilities = model.read_holdout()
    np.testing.assert_array_equal(labels, features(300).labels[:100])
    assert log_loss(labels, probabilities.astype(float)) == pytest.approx(best["val_loss"], abs=1e-5)
