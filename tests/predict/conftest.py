"""A small model in models/, and texts for it."""

from pathlib import Path

import keras
import numpy as np
import pytest

from stages import params
from stages.contracts.features import Columns, read_columns
from stages.contracts.model import MODEL_COLUMNS, write_model, write_model_columns, write_threshold
from stages.encoding import vocabulary
from stages.inference.network import read
from stages.predict.model import Model
from stages.train import network
from tests.conftest import write_params

WORDS = [f"word{number}" for number in range(300)]
COLUMNS = Columns([*vocabulary.SPECIAL, *WORDS], "keras")


def build(hidden: list[int]) -> keras.Sequential:
    """Build a network for `WORDS` with random weights. It needs params.yaml in the working directory."""
    settings = params.load().train.model_copy(update={"hidden_units": hidden})
    model = network.build(len(vocabulary.SPECIAL) + len(WORDS), settings)
    generator, weights = np.random.default_rng(9), model.get_weights()
    model.optimizer.build(model.trainable_variables)  # as training does
    model.set_weights(
        [generator.normal(0, 3 / np.sqrt(len(kernel)) if kernel.ndim == 2 else 0.1, kernel.shape) for kernel in weights]
    )
    return model


@pytest.fixture
def models(folder: Path) -> Path:
    """A working directory with models/."""
    write_params(folder)
    write_model(build([16, 16]), COLUMNS)
    write_model_columns(COLUMNS)
    write_threshold(0.5)
    (folder / "params.yaml").unlink()
    return folder


@pytest.fixture
def model(models: Path) -> Model:
    """What is in models/."""
    columns = read_columns(MODEL_COLUMNS)
    return Model(read(columns), columns)


def made_up(count: int, seed: int = 0) -> list[str]:
    """Texts of 1 to 80 words: some unknown, some in capitals, some with punctuation."""
    generator = np.random.default_rng(seed)
    known = generator.choice(WORDS, (count, 80))
    forms = generator.choice(["{}", "{}", "{},", "({}).", "<br />{}", "X{}"], (count, 80))
    texts = []
    for length, words, shapes in zip(generator.integers(1, 81, count), known, forms, strict=True):
        text = " ".join(shape.format(word) for word, shape in zip(words[:length], shapes, strict=False))
        texts.append(text.upper() if length % 3 == 0 else text)
    return texts
