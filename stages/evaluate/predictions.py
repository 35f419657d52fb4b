"""What the final network predicts for the test split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.contracts.features import feature_parts, read_part
from stages.inference import losses
from stages.inference.network import Network


@dataclass(frozen=True)
class Predictions:
    """The predictions of a network, with the labels."""

    labels: NDArray[np.float32]
    """(rows,) 0 or 1."""
    probabilities: NDArray[np.float32]
    """(rows,) that the row is positive."""
    loss: NDArray[np.float64]
    """(rows,) the loss of each row."""
    threshold: float
    """A row with a higher probability is predicted positive. Keras's binary accuracy has 0.5."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(rows,) whether positive is predicted."""
        return self.probabilities > self.threshold

    @property
    def right(self) -> NDArray[np.bool_]:
        """(rows,) whether the prediction equals the label."""
        right: NDArray[np.bool_] = self.positive == (self.labels > 0.5)
        return right


def predict(network: Network, threshold: float) -> Predictions:
    """Predict the test split."""
    parts = [(part.labels, network.predict(part.matrix)) for part in map(read_part, feature_parts("test"))]
    labels, probabilities = map(np.concatenate, zip(*parts, strict=True))
    return Predictions(labels, probabilities, losses.per_row(network.loss, labels, probabilities), threshold)
