"""Write the files in results/, for people and for DVC's plots and metrics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from stages.contracts import model
from stages.evaluate.predictions import Predictions
from stages.storage import atomic_write, write_json, write_table

METRICS = Path("results/metrics.json")
PREDICTIONS = Path("results/predictions.parquet")
SLICES = Path("results/slices.csv")
PLOTS = Path("results/plots")
FIGURES = Path("results/figures")
REPORT = Path("results/report.html")
TRY_PAGE = Path("results/try.html")


def write_metrics(metrics: dict[str, Any]) -> None:
    """Write results/metrics.json, the only result in git."""
    with atomic_write(METRICS) as path:
        write_json(path, metrics)


def write_slices(slices: pd.DataFrame) -> None:
    """Write results/slices.csv, rounded to four decimals."""
    with atomic_write(SLICES) as path:
        slices.round(4).to_csv(path, index=False, lineterminator="\n")


def write_plots(tables: Mapping[str, pd.DataFrame]) -> None:
    """Write results/plots: a CSV file for each table, rounded to four decimals."""
    with atomic_write(PLOTS) as folder:
        folder.mkdir()
        for name, table in tables.items():
            table.round(4).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def write_figures(pictures: Mapping[str, bytes]) -> None:
    """Write results/figures: a PNG file for each picture."""
    with atomic_write(FIGURES) as folder:
        folder.mkdir()
        for name, content in pictures.items():
            (folder / f"{name}.png").write_bytes(content)


def write_predictions(predictions: Predictions, details: pd.DataFrame) -> None:
    """Write results/predictions.parquet: `row`, `label` and `probability`, in the order of the test split.

    Your own reviews also have `file` and `file_row`, the place that each review came from.
    """
    rows = np.arange(len(predictions), dtype=np.int64)
    columns: list[Any] = [rows, predictions.labels.astype(np.uint8), predictions.probabilities]
    schema = model.PREDICTIONS
    if "file" in details:
        columns += [details["file"], details["row"]]
        schema = pa.schema([*schema, ("file", pa.string()), ("file_row", pa.int64())])
    with atomic_write(PREDICTIONS) as path:
        write_table(path, schema, columns)


def write_page(path: Path, page: str) -> None:
    """Write a page of HTML, such as results/report.html."""
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8", newline="\n")
