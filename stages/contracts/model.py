"""The network in models/ with its threshold, and the history and the predictions of the hold-out run."""

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import Columns, write_columns
from stages.storage import (
    BAD_ZIP,
    DAMAGE,
    atomic_write,
    checked_read,
    checked_zip,
    read_table,
    require,
    scratch,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

MODEL = Path("models/model.keras")
MODEL_COLUMNS = Path("models/columns.parquet")
SERVING = Path("models/serving")
HISTORY = Path("results/history.csv")
PROGRESS = Path("results/progress.json")
HOLDOUT = Path("results/holdout.parquet")
THRESHOLD = Path("models/threshold.json")
"""Only `evaluate` writes it. All the other files are written by `train`."""

_COLUMNS_KEY = "columns_sha256"
"""The key in metadata.json of a .keras file that holds the hash of the model's columns."""
BAD_MODEL = (*DAMAGE, *BAD_ZIP, AttributeError, IndexError, TypeError)
"""What reading a damaged .keras file raises; the last three for a configuration that is not the one Keras wrote."""
_NEWER_KEYS = {
    "quantization_config": None,
    "input_axes": None,
    "output_axes": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
}
"""The keys of a layer or an initializer that Keras 3.10 refuses, and the default that each has in newer versions."""
_HISTORY = ("epoch", "loss", "binary_accuracy", "val_loss", "val_binary_accuracy")
PREDICTIONS = pa.schema([("row", pa.int64()), ("label", pa.uint8()), ("probability", pa.float32())])
"""The columns of results/holdout.parquet and results/predictions.parquet."""


def write_model(model: "keras.Model", columns: Columns) -> None:
    """Write models/model.keras so that the same weights give the same bytes, and Keras 3.10 and later can load it.

    A .keras file is a zip file. Keras and zipfile put values into it that differ from run to run: the times of the
    members, the date of saving, and the memory addresses that mark shared objects in the configuration. These are
    replaced. The metadata also gets the hash of the columns, a key that Keras ignores. Keys that only newer versions
    of Keras know are left out where they hold their default (`make old-keras` loads such a file in Keras 3.10).
    """
    with atomic_write(MODEL) as path, scratch(path) as folder:
        saved = folder / "saved.keras"
        model.save(saved)
        with zipfile.ZipFile(saved) as members, zipfile.ZipFile(path, "w") as steady:
            for name in members.namelist():
                content = members.read(name)
                if name.endswith(".json"):
                    content = _steady_json(content, columns)
                steady.writestr(zipfile.ZipInfo(name), content)


def _steady_json(content: bytes, columns: Columns) -> bytes:
    """Rewrite a JSON member of a .keras file as `write_model` says."""
    numbers: dict[int, int] = {}

    def steady(values: dict[str, Any]) -> dict[str, Any]:
        if "date_saved" in values:
            values |= {"date_saved": "1980-01-01@00:00:00", _COLUMNS_KEY: columns.sha256}
        if "shared_object_id" in values:
            values["shared_object_id"] = numbers.setdefault(values["shared_object_id"], len(numbers))
        return {key: value for key, value in values.items() if not (key in _NEWER_KEYS and value == _NEWER_KEYS[key])}

    return json.dumps(json.loads(content, object_hook=steady)).encode()


class KerasFile(NamedTuple):
    """The content of a .keras file."""

    path: Path
    config: dict[str, Any]
    """The network, its layers, and how it was compiled, as `keras.saving.serialize_keras_object` describes them."""
    weights: dict[str, list[NDArray[Any]]]
    """The weights of each layer by the layer's name, in the order of `layer.get_weights()`."""


def read_model(columns: Columns, path: Path = MODEL) -> KerasFile:
    """Read a .keras file that `write_model` wrote, without Keras; `stages.inference.network` computes with it.

    The file is a zip (https://keras.io/guides/serialization_and_saving/): `config.json` describes the layers,
    `model.weights.h5` holds their weights, `metadata.json` the version of Keras. Nothing in them is executed.

    Args:
        columns: the columns that the network should have been trained on.
        path: the file.

    Raises:
        UserError: it is missing, damaged, or was trained on other columns.
    """
    with checked_read(path, "train", BAD_MODEL), checked_zip(path) as members:
        metadata, config = (json.loads(members.read(name)) for name in ("metadata.json", "config.json"))
        content = members.read("model.weights.h5")
        trained_on = metadata[_COLUMNS_KEY]
        with h5py.File(io.BytesIO(content)) as file:
            own = [group["vars"] for group in file["layers"].values() if "vars" in group]
            weights = {group.attrs["name"]: _arrays(group) for group in own}
        require(all(np.isfinite(each).all() for some in weights.values() for each in some), "finite weights")
    if trained_on != columns.sha256:
        raise UserError(f"{path} and its columns.parquet come from two different runs: run `dvc repro`")
    return KerasFile(path, config, weights)


def _arrays(group: h5py.Group) -> list[NDArray[Any]]:
    """Return the weights of a layer, which Keras names 0, 1, and so on."""
    return [np.asarray(group[str(number)]) for number in range(len(group))]


def write_model_columns(columns: Columns) -> None:
    """Write models/columns.parquet, so that `predict` needs nothing but models/."""
    with atomic_write(MODEL_COLUMNS) as path:
        write_columns(path, columns)


def write_serving(model: "SavedModel") -> None:
    """Write models/serving, which `tf.saved_model.load` reads. Equal models give equal bytes."""
    with atomic_write(SERVING) as folder:
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))


def write_history(history: "pd.DataFrame") -> None:
    """Write results/history.csv, with one row per epoch of the hold-out run and six decimals.

    `train` writes it after each epoch, with the epochs so far. A run that was killed leaves such a file. DVC does not
    take it for a result: its hash is not in dvc.lock, so `dvc repro` removes it and runs `train` again.

    Args:
        history: the columns `epoch` (from 1), `loss`, `binary_accuracy`, `val_loss` and `val_binary_accuracy`.
    """
    with atomic_write(HISTORY) as path:
        history.to_csv(path, columns=list(_HISTORY), index=False, float_format="%.6f", lineterminator="\n")


def write_progress(history: "pd.DataFrame") -> None:
    """Write results/progress.json: `epoch`, `loss` and `val_loss` of the last row of a history, with six decimals.

    `train` writes it after each epoch. It is a metrics file of DVC, which a history is not, so that `dvc exp show`
    shows it while `dvc exp run` is running.
    """
    last = history.iloc[-1]
    with atomic_write(PROGRESS) as path:
        losses = {name: round(float(last[name]), 6) for name in ("loss", "val_loss")}
        write_json(path, {"epoch": int(last["epoch"]), **losses})


def read_history() -> "pd.DataFrame":
    """Read results/history.csv: the columns that `write_history` writes, in the order of the epochs."""
    import pandas as pd  # here, because `predict` does not need it

    with checked_read(HISTORY, "train"):
        history = pd.read_csv(HISTORY)
        require(list(history.columns) == list(_HISTORY) and len(history) > 0, f"epochs under {','.join(_HISTORY)}")
        require(history["epoch"].tolist() == list(range(1, len(history) + 1)), "the epochs in order")
        require(bool(np.isfinite(history.to_numpy(np.float64)).all()), "finite values")
    return history


def best_epoch(history: "pd.DataFrame") -> int:
    """Return the epoch with the lowest validation loss, the first of several."""
    return int(history["epoch"].iloc[history["val_loss"].argmin()])


def write_holdout(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> None:
    """Write results/holdout.parquet: `row` from 0, `label` and `probability`. Both arguments are (rows,)."""
    with atomic_write(HOLDOUT) as path:
        rows = np.arange(len(labels), dtype=np.int64)
        write_table(path, PREDICTIONS, [rows, labels.astype(np.uint8), probabilities])


def read_holdout() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Read results/holdout.parquet: the label of each hold-out row, and the probability that it is positive."""
    with checked_read(HOLDOUT, "train"):
        table = read_table(HOLDOUT, PREDICTIONS)
        labels, probabilities = (table.column(name).to_numpy() for name in ("label", "probability"))
        require(labels.max(initial=0) <= 1, "labels 0 and 1")
        require(bool(((probabilities >= 0) & (probabilities <= 1)).all()), "probabilities from 0 to 1")
        return labels, probabilities


def write_threshold(threshold: float) -> None:
    """Write models/threshold.json, so that `predict` needs nothing but models/."""
    with atomic_write(THRESHOLD) as path:
        write_json(path, {"threshold": threshold})


def read_threshold(path: Path = THRESHOLD) -> float:
    """Read the probability above which a review is positive."""
    with checked_read(path, "evaluate"):
        content = json.loads(path.read_bytes())
        require(isinstance(content, dict) and isinstance(content.get("threshold"), float), "a number as threshold")
        threshold: float = content["threshold"]
        require(0 <= threshold < 1, "a threshold from 0 to below 1")
        return threshold
