"""Does an older Keras load the model? `make old-keras` installs Keras 3.10 in a temporary folder and tries.

The file is written as `train` writes it, and loaded without this project's code, on JAX, which is the smallest backend
to install. There are two files: a network with the layers that people add most often, and models/model.keras, if it
exists. Exits with 1 if the older Keras refuses a file, or computes other probabilities than the project's Keras.

`python -m checks.old_keras 3.12.3 3.14.0` tries other versions. Each takes a minute, and 700 MB of disk meanwhile.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from contextlib import chdir
from pathlib import Path

import stages.train  # noqa: F401 - sets what Keras and TensorFlow read when they are imported

# isort: split
import keras
import numpy as np

from stages.contracts.features import Columns
from stages.contracts.model import MODEL, write_model

OLDEST = "3.10.0"
COLUMNS = Columns([f"word{number}" for number in range(50)], "keras")

LOAD = """
import sys

import keras, numpy as np
rows, expected = np.load("rows.npy"), np.load("expected.npy")
difference = np.abs(keras.models.load_model("model.keras").predict(rows, verbose=0) - expected).max()
print(f"Keras {keras.__version__}: probabilities differ by at most {difference:.1e}")
sys.exit(not difference < 1e-5)  # two backends sum in different orders
"""
"""What the older Keras runs."""


def network() -> keras.Sequential:
    """Return a network of `COLUMNS` with many kinds of layers, its weights random and its optimizer built."""
    layers = keras.layers
    width = len(COLUMNS.words)
    made = keras.Sequential(
        [
            keras.Input((width,), name="columns"),
            layers.Normalization(mean=np.full(width, 0.1), variance=np.full(width, 2.0)),
            layers.UnitNormalization(),
            layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.001)),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.Dense(8, "gelu", kernel_initializer="he_normal"),
            layers.LayerNormalization(),
            layers.Dense(1, "sigmoid"),
        ]
    )
    made.compile("rmsprop", "binary_crossentropy", metrics=["binary_accuracy"])
    made.optimizer.build(made.trainable_variables)
    generator = np.random.default_rng(1)
    # Positive, because the weights of BatchNormalization include a variance.
    for weight in made.weights:
        if weight.dtype == "float32":
            weight.assign(generator.uniform(0.1, 0.5, weight.shape))
    return made


def install(version: str, folder: Path) -> Path:
    """Install a version of Keras in a new environment, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"keras=={version}", "jax"],
        check=True,
    )
    return python


def prepare(model: Path, folder: Path) -> None:
    """Put a model into a folder, with some rows and the probabilities that the project's Keras gives for them."""
    shutil.copy(model, folder / "model.keras")
    loaded = keras.models.load_model(model)
    rows = np.random.default_rng(1).binomial(1, 0.1, (7, loaded.input_shape[1])).astype(np.float32)
    np.save(folder / "rows.npy", rows)
    np.save(folder / "expected.npy", loaded.predict(rows, verbose=0))


def main() -> None:
    """Try each version that is named, or the oldest that can load the model."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = [folder / MODEL, *([MODEL.resolve()] if MODEL.exists() else [])]
        with chdir(folder):
            write_model(network(), COLUMNS)
        refused = False
        for version in sys.argv[1:] or [OLDEST]:
            python = install(version, folder / version)
            for model in models:
                print(f"{model}:", flush=True)
                prepare(model, folder)
                settings = {"KERAS_BACKEND": "jax", "KERAS_HOME": os.devnull}
                done = subprocess.run([python, "-c", LOAD], cwd=folder, check=False, env=os.environ | settings)
                refused |= done.returncode != 0
    sys.exit(refused)


if __name__ == "__main__":
    main()
