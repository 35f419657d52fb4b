"""Run scikit-learn on the CSR matrices of this project: `python -m benchmarks.sklearn_peers NAME`, a name in PEERS.

It trains on the 15,000 rows of the hold-out run without validation, and is tested on the test split.
"""

import sys
import time

from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks import measure, reference

PEERS = {
    # The same network, without regularization and early stopping.
    "MLPClassifier": MLPClassifier(
        (16, 16), batch_size=reference.BATCH_SIZE, alpha=0, max_iter=reference.HOLDOUT_EPOCHS,
        n_iter_no_change=reference.HOLDOUT_EPOCHS, random_state=reference.SEED,
    ),
    "LogisticRegression": LogisticRegression(max_iter=1000),
}  # fmt: skip


def main() -> dict[str, float]:
    """Train and test one of PEERS."""
    reference.check()
    name = sys.argv[1]
    peer = PEERS[name]
    rest, test = reference.features("train")[reference.HOLDOUT_ROWS :], reference.features("test")
    began = time.perf_counter()
    peer.fit(rest.matrix, rest.labels)
    fit = time.perf_counter() - began
    epoch = {"epoch": fit / peer.n_iter_} if name == "MLPClassifier" else {}
    return {"fit": fit, "accuracy": peer.score(test.matrix, test.labels), **epoch}


if __name__ == "__main__":
    measure.report(main)
