"""The forward pass of a trained network on sparse rows, without TensorFlow.

SciPy multiplies the CSR rows by the kernel of the first Dense layer in float32. It adds the terms of a row in the order
of their columns, on every processor. All other layers are computed in float64 (`stages.inference.layers`), and the
probability is rounded to float32. So the probability of a row has the same bits, whichever rows it is predicted with.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.console import UserError
from stages.contracts.features import Columns
from stages.contracts.model import BAD_MODEL, MODEL, KerasFile, read_model
from stages.inference import activations, layers, with_keras
from stages.inference.activations import Units
from stages.inference.layers import Layer, NotInNumPy, Step, Weights
from stages.storage import checked_read, require

_VALUES = 1 << 15
"""The number of outputs of the widest layer that are computed at a time. They fit into the cache of the processor."""


@dataclass(frozen=True)
class Network:
    """A trained network that gives one probability per row.

    Example:
        >>> network = read(read_columns(MODEL_COLUMNS))
        >>> network.predict(scipy.sparse.csr_matrix((2, network.columns), dtype=np.float32)).shape
        (2,)
    """

    deviation: NDArray[np.float32] | None
    """(columns,) or (1,): the divisor of the columns in a `Normalization` layer in front. None without this layer."""
    unit_length: bool
    """Whether a `UnitNormalization` layer in front scales each row to length 1."""
    kernel: NDArray[np.float32]
    """(columns, units) of the first Dense layer."""
    steps: Sequence[Step]
    """The steps after the first product, from (rows, units) to (rows, 1)."""
    widest: int
    """The number of units of the widest layer."""
    loss: Any
    """The loss in the configuration of the network, for `stages.inference.losses.per_row`."""

    @property
    def columns(self) -> int:
        """The number of columns of a row."""
        return len(self.kernel)

    def predict(self, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the probability that each row is positive, (rows,) float32, given (rows, columns) float32 CSR."""
        probabilities = np.empty(matrix.shape[0], np.float32)
        for some in self.chunks(len(probabilities)):
            rows = self.normalize(matrix[some])
            sums = (rows @ self.kernel).astype(np.float64)
            probabilities[some] = _through(self.steps, self.scale(sums, self.row_squares(rows)))[:, 0]
        return probabilities

    def normalize(self, matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """Return the output of a `Normalization` layer in front."""
        if self.deviation is None:
            return matrix
        values = matrix.data / np.broadcast_to(self.deviation, self.columns)[matrix.indices]
        return scipy.sparse.csr_matrix((values, matrix.indices, matrix.indptr), matrix.shape)

    def row_squares(self, rows: scipy.sparse.csr_matrix) -> NDArray[np.float64]:
        """Return the sum of the squares of each row, (rows,), for `scale`, or zeros if it does not need them."""
        if not self.unit_length:
            return np.zeros(rows.shape[0])
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        return np.bincount(row, rows.data.astype(np.float64) ** 2, rows.shape[0]).astype(np.float64)

    def scale(self, sums: Units, squares: NDArray[np.float64]) -> Units:
        """Return the products with the first kernel as if a `UnitNormalization` layer had scaled the rows before.

        Args:
            sums: (rows, units) products of the rows before this layer.
            squares: (rows,) sums of the squares of these rows.
        """
        return sums * layers.inverse_length(squares)[:, None] if self.unit_length else sums

    def log_odds(self, sums: Units) -> NDArray[np.float64]:
        """Return the log-odds of positive, (rows,), given the (rows, units) products with the first kernel."""
        *before, last = self.steps
        if last is activations.sigmoid:
            return _through(before, sums)[:, 0]
        probabilities = np.clip(_through(self.steps, sums)[:, 0], np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
        return np.log(probabilities) - np.log1p(-probabilities)

    def chunks(self, rows: int) -> Iterator[slice]:
        """Split rows into chunks whose outputs fit into the cache of the processor."""
        step = max(_VALUES // self.widest, 1)
        return (slice(start, start + step) for start in range(0, rows, step))


def _through(steps: Iterable[Step], x: Units) -> Units:
    for step in steps:
        x = step(x)
    return x


def read(columns: Columns, path: Path = MODEL) -> Network:
    """Read a network that `train` wrote.

    Layers that are not in `stages.inference.layers` are computed by Keras. It takes seconds to import, and the last
    bits of such a layer may depend on the other rows.

    Args:
        columns: the columns of the features.
        path: the .keras file.

    Raises:
        UserError: the file is missing or damaged, or the network was trained on other columns or cannot take sparse
            rows.
    """
    file = read_model(columns, path)
    with checked_read(path, "train", BAD_MODEL):
        network = _network(file)
        require(network.kernel.shape[0] == len(columns.words), f"{len(columns.words):,} columns")
        require(_through(network.steps, np.zeros((1, network.kernel.shape[1]))).shape == (1, 1), "one output")
    return network


def _network(file: KerasFile) -> Network:
    """Return the network that a file describes. Call it within `checked_read`."""
    path, config, weights_of = file
    configs = config["config"]["layers"]
    first = next((place for place, layer in enumerate(configs) if layer["class_name"] == "Dense"), None)
    if config["class_name"] != "Sequential" or first is None:
        raise UserError(f"{path}: expected a keras.Sequential network with a Dense layer, which multiplies sparse rows")
    weights = [weights_of.get(layer["config"]["name"], []) for layer in configs]
    deviation, unit_length = _in_front(path, configs[:first], weights[:first])
    kernel, steps = weights[first][0], _after_product(path, configs[first:], weights[first:])
    widest = max(layer["config"].get("units", 1) for layer in configs)
    return Network(deviation, unit_length, kernel, steps, widest, config["compile_config"]["loss"])


def _in_front(
    path: Path, configs: Sequence[Layer], weights: Sequence[Weights]
) -> tuple[NDArray[np.float32] | None, bool]:
    """Return `deviation` and `unit_length` of a `Network`, given the layers before the first Dense layer."""
    deviation, unit_length = None, False
    for layer, values in zip(configs, weights, strict=True):
        kind, config = layer["class_name"], layer["config"]
        if kind == "Normalization" and deviation is None and not unit_length and not config["invert"]:
            mean, deviation = layers.mean_and_deviation(config, values)
            sparse = not mean.any()
        elif kind == "UnitNormalization" and not unit_length:
            sparse = unit_length = True
        else:
            sparse = kind in layers.ONLY_IN_TRAINING
        if not sparse:
            raise UserError(
                f"{path}: the layer {config['name']} ({kind}) comes before the first Dense layer; expected there only "
                "Normalization with mean 0, then UnitNormalization, which keep rows sparse"
            )
    return None if deviation is None else deviation.astype(np.float32), unit_length


def _after_product(path: Path, configs: Sequence[Layer], weights: Sequence[Weights]) -> list[Step]:
    """Return the steps of the first Dense layer after its product, and those of all layers that follow."""
    first, *following = configs
    try:
        steps = layers.after_product(first["config"], weights[0][1:])
    except NotInNumPy:
        raise UserError(
            f"{path}: the first Dense layer has the activation {first['config']['activation']}; expected one of "
            f"{', '.join(activations.ACTIVATIONS)}, or linear and a layer after it"
        ) from None
    known: dict[str, list[Step]] = {}
    for layer, values in zip(following, weights[1:], strict=True):
        with suppress(NotInNumPy):
            known[layer["config"]["name"]] = layers.steps(layer, values)
    known = _read_by_keras(path, [layer for layer in following if layer["config"]["name"] not in known]) | known
    return steps + [step for layer in following for step in known[layer["config"]["name"]]]


def _read_by_keras(path: Path, missing: Sequence[Layer]) -> dict[str, list[Step]]:
    """Return one step for each layer of the network, by name, computed by Keras; nothing if `missing` is empty."""
    if not missing:
        return {}
    named = ", ".join(f"{layer['config']['name']} ({layer['class_name']})" for layer in missing)
    # Nothing in the file is executed: safe_mode refuses the lambdas that it may hold.
    model = with_keras.load(f"{path}, layer {named}").models.load_model(path, safe_mode=True)
    return {layer.name: [partial(_by_keras, layer)] for layer in model.layers}


def _by_keras(layer: Callable[[NDArray[np.float32]], Any], x: Units) -> Units:
    return np.asarray(layer(x.astype(np.float32)), np.float64)
