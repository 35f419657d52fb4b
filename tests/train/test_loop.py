"""The loop against Keras's own `fit` and `evaluate` on the same rows, made dense."""

from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.sparse

from stages import artifacts, params
from stages.artifacts import Epoch, Features
from stages.console import UserError
from stages.params import Train
from stages.train import loop, network
from tests.conftest import ROOT

COLUMNS = 200


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Train:
    monkeypatch.chdir(ROOT)
    return params.load().train.model_copy(update={"batch_size": 64, "learning_rate": 0.01})


def features(rows: int, seed: int = 0) -> Features:
    """Rows whose label has to do with their columns, values not all one."""
    generator = np.random.default_rng(seed)
    matrix = scipy.sparse.random(rows, COLUMNS, 0.1, "csr", dtype=np.float32, rng=generator)
    matrix.sort_indices()
    weights = np.random.default_rng(1).normal(size=COLUMNS)
    return Features(matrix, (matrix @ weights > 0).astype(np.float32))


def keras_fit(
    model: keras.Model, rest: Features, holdout: Features, epochs: int, settings: Train
) -> list[dict[str, float]]:
    """Keras's `fit` on dense rows, an epoch at a time, in the order in which the loop takes them."""
    generator = np.random.default_rng(settings.seed)
    validation = holdout.matrix.toarray(), holdout.labels
    logs = []
    for _ in range(epochs):
        rows = rest[generator.permutation(len(rest))]
        history = model.fit(
            rows.matrix.toarray(), rows.labels, batch_size=settings.batch_size, shuffle=False, verbose=0,
            validation_data=validation, validation_batch_size=settings.batch_size,
        ).history  # fmt: skip
        logs.append({name: value for name, (value,) in history.items()})
    return logs


@pytest.mark.parametrize(
    ("optimizer", "rows", "hidden"),
    [
        ("rmsprop", 640, [16, 16]),
        ("rmsprop", 603, [16, 16]),
        ("adam", 640, [16, 16]),
        ("adam", 603, [40]),
    ],
)
def test_the_loop_does_what_fit_does(settings: Train, optimizer: str, rows: int, hidden: list[int]) -> None:
    settings = settings.model_copy(update={"optimizer": optimizer, "hidden_units": hidden})
    rest, holdout = features(rows), features(300, seed=2)
    expected = network.build(COLUMNS, settings)
    history = keras_fit(expected, rest, holdout, 4, settings)

    trainer = loop.Trainer(network.build(COLUMNS, settings), settings)
    logs = trainer.fit(rest, 4, holdout)

    for ours, theirs in zip(trainer.network.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for epoch, values in zip(logs, history, strict=True):
        assert epoch == pytest.approx(values, abs=1e-4)
    assert history[-1]["loss"] < history[0]["loss"]  # something was learnt, so the agreement says something


def test_reset_gives_the_run_of_a_fresh_network(settings: Train) -> None:
    rows = features(500)
    trainer = loop.Trainer(network.build(COLUMNS, settings), settings)
    trainer.fit(rows, 3, rows)
    trainer.reset()
    logs = trainer.fit(rows, 2)
    fresh = loop.Trainer(network.build(COLUMNS, settings), settings)
    assert fresh.fit(rows, 2) == logs
    for ours, theirs in zip(trainer.network.get_weights(), fresh.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_evaluate_is_kerass(settings: Train) -> None:
    rows = features(1000)
    model = network.build(COLUMNS, settings)
    expected = model.evaluate(rows.matrix.toarray(), rows.labels, verbose=0, return_dict=True)
    ours = loop.evaluate(model, rows, batch_size=300)
    assert ours == pytest.approx(expected, abs=1e-6)


def test_the_holdout_is_the_first_rows() -> None:
    rows = features(10)
    holdout, rest = loop.split(rows, 4)
    np.testing.assert_array_equal(holdout.matrix.toarray(), rows.matrix.toarray()[:4])
    np.testing.assert_array_equal(rest.labels, rows.labels[4:])
    with pytest.raises(UserError, match="holdout_rows is 10; expected fewer than the 10 training rows"):
        loop.split(rows, 10)


def test_best_is_the_lowest_validation_loss() -> None:
    history = [Epoch(number, 0.1, 0.9, loss, 0.8) for number, loss in enumerate([0.5, 0.3, 0.3, 0.4], start=1)]
    assert loop.best(history).epoch == 2


def test_the_reference_run_on_imdb(imdb: Path) -> None:
    """The notebook's result for each of five seeds: accuracy, loss and overfitting within its bounds."""
    train, test = artifacts.read_features("train"), artifacts.read_features("test")
    holdout, rest = loop.split(train, 10_000)
    for seed in range(1, 6):
        reference = params.load().train.model_copy(update={"seed": seed})
        trainer = loop.Trainer(network.build(train.matrix.shape[1], reference), reference)
        history = [Epoch(number, **logs) for number, logs in enumerate(trainer.fit(rest, 20, holdout), start=1)]
        assert 3 <= loop.best(history).epoch <= 6
        assert history[-1].binary_accuracy > 0.99
        trainer.reset()
        trainer.fit(train, 4)
        result = loop.evaluate(trainer.network, test)
        assert 0.87 <= result["binary_accuracy"] <= 0.895
        assert 0.28 <= result["loss"] <= 0.33
