"""Read a .keras file without Keras.

The file is a zip of three members (https://keras.io/guides/serialization_and_saving/): `config.json` describes the
layers, `model.weights.h5` holds their weights, `metadata.json` the version of Keras. They are JSON and HDF5: nothing in
them is executed.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray


class KerasFile(NamedTuple):
    """What a .keras file holds."""

    config: dict[str, Any]
    """The network, its layers and how it was compiled, as `keras.saving.serialize_keras_object` describes them."""
    metadata: dict[str, Any]
    weights: dict[str, list[NDArray[Any]]]
    """The weights of each layer by the layer's name, in the order of `layer.get_weights()`."""


def read(path: Path) -> KerasFile:
    """Read a .keras file.

    Raises:
        OSError: the file cannot be read, or its weights are not HDF5.
        KeyError: a member is missing.
        ValueError: a member is not JSON.
        zipfile.BadZipFile: it is no zip file, or the checksum of a member is wrong.
    """
    with zipfile.ZipFile(path) as members:
        # Whole members, because `zipfile` checks a checksum only at a member's end, which h5py need not reach.
        config, metadata = (json.loads(members.read(name)) for name in ("config.json", "metadata.json"))
        content = members.read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as file:
        weights = {group["vars"].attrs["name"]: _arrays(group["vars"]) for group in file["layers"].values()}
    return KerasFile(config, metadata, weights)


def _arrays(group: h5py.Group) -> list[NDArray[Any]]:
    """A layer's weights; Keras names them "0", "1", and so on."""
    return [np.asarray(group[str(number)]) for number in range(len(group))]
