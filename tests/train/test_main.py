"""The stage `train` as a whole."""

from collections.abc import Sequence
from pathlib import Path

import keras
import pytest

from stages.train import __main__ as train
from stages.train import rows, weighting
from stages.train.rows import RowRange
from tests.conftest import write_features, write_params
from tests.train.test_loop import features


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
