"""Measure vectorize and train of this project in one process, without imports and DVC."""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import measure, reference
from stages import params
from stages.contracts.reviews import RAW
from stages.encoding import multi_hot
from stages.train import loop, network, rows
from stages.train.rows import RowRange
from stages.vectorize import __main__ as stage


def vectorize() -> dict[str, float]:
    """Return the seconds of the whole stage (read, encode, write) and of encoding alone, for both splits."""
    encoding: list[float] = []

    def timed(encode: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            features = encode(*arguments)
            encoding.append(time.perf_counter() - began)
            return features

        return call

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, RAW)
        raw.parent.mkdir()
        raw.symlink_to(RAW.resolve())
        shutil.copy(params.PARAMS, folder)
        with chdir(folder), mock.patch.object(multi_hot, "encode", timed(multi_hot.encode)):
            began = time.perf_counter()
            stage.main()
            return {"vectorize": time.perf_counter() - began, "encode": sum(encoding)}


def train() -> dict[str, float]:
    """Return the seconds of tracing, of an epoch of the hold-out run, and of all its epochs."""
    settings = params.load().train
    training = rows.split_rows("train")
    holdout, rest = rows.hold_out(training, settings.holdout_rows)
    began = time.perf_counter()
    trainer = loop.Trainer(network.build(reference.NUM_WORDS, settings), settings)
    few = [RowRange(training[0].part, 0, 2 * settings.batch_size)]
    trainer.fit(few, 1, few)
    trainer.reset()
    trace = time.perf_counter() - began
    ends = [time.perf_counter()]
    trainer.fit(rest, settings.holdout_epochs, holdout, lambda _: ends.append(time.perf_counter()))
    seconds = np.diff(ends)
    return {"trace": trace, "epoch": float(np.median(seconds[1:])), "fit": float(seconds.sum())}


def main() -> dict[str, float]:
    """Measure both stages."""
    reference.check()
    return vectorize() | train()


if __name__ == "__main__":
    measure.report(main)
