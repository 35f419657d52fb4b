"""The forward pass of a trained network on sparse rows, without TensorFlow.

The first product, of CSR rows and the kernel of the first Dense layer, is SciPy's in float32: it adds a row's terms in
the order of their columns on every processor. All after it is computed in float64 (`stages.inference.layers`), and the
probability is rounded to float32. So a row's probability has the same bits alone and among others.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.console import UserError
from stages.inference import activations, layers, with_keras
from stages.inference.activations import Units
from stages.inference.keras_file import KerasFile
from stages.inference.layers import LayerConfig, NotInNumPy, Step, Weights

_VALUES = 1 << 15
"""Outputs of the widest layer that are computed at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Network:
    """A trained network that gives one probability per row.

    Example:
        >>> network = from_file(path, keras_file.read(path))
        >>> network.predict(scipy.sparse.csr_matrix((2, network.columns), dtype=np.float32)).shape
        (2,)
    """

    deviation: NDArray[np.float32] | None
    """(columns,) or (1,): what a `Normalization` layer in front divides the columns by; None without one."""
    unit_length: bool
    """Whether a `UnitNormalization` layer in front scales each row to length 1."""
    kernel: NDArray[np.float32]
    """(columns, units) of the first Dense layer."""
    steps: Sequence[Step]
    """What follows the first product, from (rows, units) to (rows, 1)."""
    widest: int
    """Units of the widest layer."""
    loss: Any
    """What the network was compiled with, as its configuration has it: `stages.inference.losses.per_row` computes it."""

    @property
    def columns(self) -> int:
        """How many columns a row has."""
        return len(self.kernel)

    def predict(self, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float32]:
        """The probability that each row is positive, (rows,) float32, from (rows, columns) float32 CSR."""
        values = self.normalize(matrix)
        sums = scipy.sparse.csr_matrix((values, matrix.indices, matrix.indptr), matrix.shape) @ self.kernel
        if self.unit_length:
            sums = sums * layers.inverse_length(row_squares(matrix, values))[:, None]
        probabilities = np.empty(len(sums), np.float32)
        for some in self.slices(len(sums)):
            probabilities[some] = _through(self.steps, sums[some].astype(np.float64))[:, 0]
        return probabilities

    def log_odds(self, sums: Units) -> NDArray[np.float64]:
        """The log-odds of positive, (rows,), given the (rows, units) products with the first kernel."""
        *before, last = self.steps
        if last is activations.sigmoid:
            return _through(before, sums)[:, 0]
        probabilities = np.clip(_through(self.steps, sums)[:, 0], np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
        return np.log(probabilities) - np.log1p(-probabilities)

    def normalize(self, matrix: scipy.sparse.csr_matrix) -> NDArray[np.float32]:
        """The entries of a matrix after a `Normalization` layer in front, (entries,)."""
        if self.deviation is None:
            values: NDArray[np.float32] = matrix.data
            return values
        return matrix.data / np.broadcast_to(self.deviation, self.columns)[matrix.indices]

    def slices(self, rows: int) -> Iterator[slice]:
        """Cut rows into as many at a time as stay in the processor's cache."""
        step = max(_VALUES // self.widest, 1)
        return (slice(start, start + step) for start in range(0, rows, step))


def row_squares(matrix: scipy.sparse.csr_matrix, values: NDArray[Any]) -> NDArray[np.float64]:
    """The sum of the squares of each row's values, (rows,), added from the first entry to the last one."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(row, values.astype(np.float64) ** 2, minlength=matrix.shape[0])


def _through(steps: Iterable[Step], x: Units) -> Units:
    for step in steps:
        x = step(x)
    return x


def from_file(path: Path, file: KerasFile) -> Network:
    """Build the network that a .keras file holds.

    Layers that are not in `stages.inference.layers` are computed by Keras. It takes seconds to import, and the last bits
    of such a layer may depend on the other rows.

    Args:
        path: the file, for errors and for Keras.
        file: what `keras_file.read` found in it.

    Raises:
        UserError: the network is not one for sparse rows.
        ValueError: the weights are not finite, or do not fit the layers.
    """
    if file.config["class_name"] != "Sequential":
        raise UserError(f"{path} holds a {file.config['class_name']} network; expected a keras.Sequential one")
    if not all(np.isfinite(values).all() for weights in file.weights.values() for values in weights):
        raise ValueError("expected finite weights")
    configs = file.config["config"]["layers"]
    weights = [file.weights.get(config["config"]["name"], []) for config in configs]
    first = next((place for place, config in enumerate(configs) if config["class_name"] == "Dense"), None)
    if first is None:
        raise UserError(f"{path} holds no Dense layer; expected one, which multiplies the sparse rows")
    deviation, unit_length = _in_front(path, configs[:first], weights[:first])
    steps = _after_product(path, configs[first:], weights[first:])
    kernel, widest = weights[first][0], max(values.shape[-1] for some in weights[first:] for values in some[:1])
    if _through(steps, np.zeros((1, kernel.shape[1]))).shape != (1, 1):
        raise ValueError("expected one output per row")
    return Network(deviation, unit_length, kernel, steps, widest, file.config.get("compile_config", {}).get("loss"))


def _in_front(
    path: Path, configs: Sequence[LayerConfig], weights: Sequence[Weights]
) -> tuple[NDArray[np.float32] | None, bool]:
    """`deviation` and `unit_length` of a `Network`, from the layers before the first Dense layer."""
    deviation, unit_length = None, False
    for config, values in zip(configs, weights, strict=True):
        kind = config["class_name"]
        if kind == "Normalization" and deviation is None and not unit_length:
            mean, deviation = layers.mean_and_deviation(config["config"], values)
            sparse = not mean.any()
        elif kind == "UnitNormalization" and not unit_length:
            unit_length = sparse = True
        else:
            sparse = kind in layers.ONLY_IN_TRAINING
        if not sparse:
            raise UserError(
                f"{path}: the layer {config['config']['name']} ({kind}) comes before the first Dense layer; expected "
                "there at most Normalization with mean 0, then UnitNormalization: they keep rows sparse"
            )
    return None if deviation is None else deviation.astype(np.float32), unit_length


def _after_product(path: Path, configs: Sequence[LayerConfig], weights: Sequence[Weights]) -> list[Step]:
    """The steps of the first Dense layer, but for its product, and of all layers after it."""
    found: list[list[Step] | None] = []
    for config, values in zip(configs, weights, strict=True):
        try:
            found.append(layers.steps(config, values))
        except NotInNumPy:
            found.append(None)
    missing = [config for config, steps in zip(configs, found, strict=True) if steps is None]
    model = _read_by_keras(path, missing) if missing else None
    steps: list[Step] = []
    for config, values, known in zip(configs, weights, found, strict=True):
        if known is not None:
            steps += known
            continue
        layer = model.get_layer(config["config"]["name"])
        steps += [partial(_by_keras, layer)] if steps else layers.dense(values, partial(_by_keras, layer.activation))
    return steps[1:]


def _read_by_keras(path: Path, configs: Sequence[LayerConfig]) -> Any:
    """The model as Keras reads it, for the layers that have these configurations."""
    named = ", ".join(f"{config['config']['name']} ({config['class_name']})" for config in configs)
    # Nothing in the file is executed: safe_mode refuses the lambdas that it may hold.
    return with_keras.load(f"{path}, layer {named}").models.load_model(path, safe_mode=True)


def _by_keras(function: Callable[[NDArray[np.float32]], Any], x: Units) -> Units:
    return np.asarray(function(x.astype(np.float32)), np.float64)
