"""The loop agrees with Keras's `fit` on the same rows as a dense matrix."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.metrics import accuracy_score, log_loss
from tensorflow.python.eager import context

from stages import params
from stages.console import UserError
from stages.contracts.features import Features, read_columns
from stages.contracts.model import best_epoch, write_model
from stages.inference.network import read
from stages.params import Params, Train
from stages.train import loop, network, rows, weighting
from tests.conftest import all_features, write_features

COLUMNS = 200


@pytest.fixture(name="settings")
def quick_settings(settings: Params) -> Train:
    return settings.train.model_copy(update={"batch_size": 64, "learning_rate": 0.01, "seed": 5})


def features(rows: int, seed: int = 0) -> Features:
    """Return random rows, with values other than 1, whose labels depend on their columns."""
    generator = np.random.default_rng(seed)
    matrix = scipy.sparse.random(rows, COLUMNS, 0.1, "csr", dtype=np.float32, rng=generator)
    matrix.sort_indices()
    weights = np.random.default_rng(1).normal(size=COLUMNS)
    return Features(matrix, (matrix @ weights > 0).astype(np.float32))


def keras_fit(
    model: keras.Model, rest: Features, holdout: Features, epochs: int, settings: Train
) -> list[dict[str, float]]:
    """Train with Keras's `fit` on dense rows, epoch by epoch, in the order in which the loop takes them."""
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


def check_against_fit(build: Callable[[], keras.Sequential], settings: Train, rows_of_training: int) -> None:
    """Train two networks from `build`, one with Keras's `fit` and one with the loop, and compare them."""
    rest, holdout = features(rows_of_training), features(300, seed=2)
    write_features(rest, "train", 1)
    write_features(holdout, "test", 1)
    expected = build()
    history = pd.DataFrame(keras_fit(expected, rest, holdout, 4, settings))

    trainer = loop.Trainer(build(), settings)
    seen: list[pd.DataFrame] = []
    predicted = []

    def after_epoch(so_far: pd.DataFrame) -> None:
        seen.append(so_far)
        predicted.append(trainer.predict(rows.split_rows("test")))

    logs = trainer.fit(rows.split_rows("train"), 4, rows.split_rows("test"), after_epoch)
    for epochs, so_far in enumerate(seen, 1):
        pd.testing.assert_frame_equal(so_far, logs[:epochs])
    labels, probabilities = predicted[-1]
    np.testing.assert_array_equal(labels, holdout.labels)
    np.testing.assert_allclose(probabilities, expected.predict(holdout.matrix.toarray(), verbose=0)[:, 0], atol=1e-5)
    assert len(seen) == 4

    for ours, theirs in zip(trainer.network.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    pd.testing.assert_frame_equal(logs.drop(columns="epoch"), history[logs.columns[1:]], atol=1e-4, rtol=0)
    assert logs.loss.iloc[-1] < logs.loss.iloc[0]  # the network learns, so agreement is not trivial


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        (640, {}),
        (603, {}),
        (640, {"optimizer": "adam"}),
        (603, {"optimizer": "adam", "hidden_units": [40]}),
        (603, {"dropout": 0.3, "l2": 0.01, "hidden_units": [300, 16]}),
        # Here Keras scales the columns and the dense rows.
        (603, {"optimizer": "adam", "weighting": "log_ratio", "hidden_units": [16]}),
        (603, {"optimizer": "adam", "weighting": "log_ratio", "hidden_units": []}),
    ],
)
def test_the_loop_agrees_with_fit(settings: Train, count: int, changes: dict[str, object]) -> None:
    settings = settings.model_copy(update=changes)

    def build() -> keras.Sequential:
        made = network.build(COLUMNS, settings)
        if settings.weighting:
            weighting.adapt(made, rows.split_rows("train"))
        return made

    check_against_fit(build, settings, count)


def test_log_count_ratios_agree_with_dense_counts(folder: Path) -> None:
    some = features(200)
    write_features(some, "train", 3)
    has, positive = some.matrix.toarray() != 0, some.labels == 1
    p, q = has[positive].sum(axis=0) + 1, has[~positive].sum(axis=0) + 1
    expected = np.log((p / p.sum()) / (q / q.sum()))
    np.testing.assert_allclose(weighting.log_ratios(rows.split_rows("train"), COLUMNS), expected)
    assert not np.allclose(weighting.log_ratios(rows.split_rows("train")[1:], COLUMNS), expected)


def test_any_keras_layer_may_follow_the_first(settings: Train) -> None:
    """These layers cannot be set in params.yaml. The README says how to add them in the code."""

    def build() -> keras.Sequential:
        keras.utils.set_random_seed(settings.seed)
        adapted = keras.layers.Normalization()
        adapted.adapt(np.random.default_rng(3).normal(0.5, 2, (100, 24)))
        made = keras.Sequential(
            [
                keras.Input((COLUMNS,)),
                keras.layers.Dense(24, use_bias=False),
                keras.layers.BatchNormalization(),
                adapted,
                keras.layers.Activation("relu"),
                keras.layers.Dropout(0.2),
                keras.layers.Dense(48, "tanh", activity_regularizer="l2"),
                keras.layers.Reshape((6, 8)),
                keras.layers.LSTM(4),
                keras.layers.Dense(1, "sigmoid"),
            ]
        )
        made.compile("adam", "binary_crossentropy", metrics=["binary_accuracy"])
        return made

    check_against_fit(build, settings, 603)


def test_the_number_of_parts_does_not_change_the_result(
    settings: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    training, holdout = features(600), features(301, seed=2)
    batches = rows.batches
    monkeypatch.setattr(rows, "batches", lambda pieces, size, *_: batches(pieces, size))  # no shuffling
    runs = []
    for parts in (1, 7):
        write_features(training, "train", parts)
        write_features(holdout, "test", parts)
        trainer = loop.Trainer(network.build(COLUMNS, settings), settings)
        runs.append((trainer.fit(rows.split_rows("train"), 3, rows.split_rows("test")), trainer.network.get_weights()))
    (one, weights), (seven, weights_of_seven) = runs
    pd.testing.assert_frame_equal(one, seven)
    for ours, theirs in zip(weights, weights_of_seven, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("optimizer", "loss"),
    [("rmsprop", "binary_crossentropy"), ("adam", "mean_squared_error"), ("sgd", "hinge"), ("adagrad", "poisson")],
)
def test_no_operation_depends_on_the_processor(settings: Train, optimizer: str, loss: str) -> None:
    """TensorFlow's optimized graph has no operation that approximates a reciprocal."""
    settings = settings.model_copy(update={"optimizer": optimizer, "loss": loss, "weighting": "log_ratio"})
    write_features(features(100), "train", 1)
    trainer = loop.Trainer(network.build(COLUMNS, settings), settings)
    context.enable_run_metadata()
    context.export_run_metadata()  # without the operations that ran outside of a graph before
    trainer.fit(rows.split_rows("train"), 1, rows.split_rows("train"))
    graphs = [function.post_optimization_graph for function in context.export_run_metadata().function_graphs]
    context.disable_run_metadata()
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for function in graph.library.function for node in function.node_def]
    operations = {node.op for node in nodes}
    assert "SparseTensorDenseMatMul" in operations
    assert not operations & {"Reciprocal", "Inv", "Rsqrt", "ReciprocalGrad", "InvGrad", "RsqrtGrad"}


def test_no_temporary_files_are_written(settings: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TensorFlow removes its temporary files when the process ends, but not when the process is killed."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    write_features(features(100), "train", 1)
    loop.Trainer(network.build(COLUMNS, settings), settings).fit(rows.split_rows("train"), 1, rows.split_rows("train"))
    assert list(temporary.iterdir()) == []


def test_a_diverged_run_is_an_error_that_names_the_learning_rate(settings: Train) -> None:
    changes = {"optimizer": "sgd", "loss": "mean_squared_error", "activation": "linear", "learning_rate": 1e30}
    settings = settings.model_copy(update=changes)
    write_features(features(300), "train", 1)
    trainer = loop.Trainer(network.build(COLUMNS, settings), settings)
    with pytest.raises(UserError, match=r"^params.yaml: training diverged in epoch \d+, .*lower train.learning_rate"):
        trainer.fit(rows.split_rows("train"), 20)


def test_reset_gives_the_results_of_a_new_trainer(settings: Train) -> None:
    write_features(features(500), "train", 2)
    pieces = rows.split_rows("train")
    trainer = loop.Trainer(network.build(COLUMNS, settings), settings)
    trainer.fit(pieces, 3, pieces)
    trainer.reset()
    logs = trainer.fit(pieces, 2)
    fresh = loop.Trainer(network.build(COLUMNS, settings), settings)
    pd.testing.assert_frame_equal(fresh.fit(pieces, 2), logs)
    for ours, theirs in zip(trainer.network.get_weights(), fresh.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_reference_run_on_imdb(imdb: Path) -> None:
    """For each of three seeds, accuracy, loss and overfitting are within the range of the notebook."""
    training, test = rows.split_rows("train"), all_features("test")
    holdout, rest = rows.hold_out(training, 10_000)
    for seed in (1, 2, 3):
        reference = params.load().train.model_copy(update={"seed": seed})
        trainer = loop.Trainer(network.build(10_000, reference), reference)
        history = trainer.fit(rest, 20, holdout)
        assert 3 <= best_epoch(history) <= 6
        assert history.binary_accuracy.iloc[-1] > 0.99
        trainer.reset()
        trainer.fit(training, 4)
        columns = read_columns()
        write_model(trainer.network, columns)
        probabilities = read(columns).predict(test.matrix)
        assert 0.87 <= accuracy_score(test.labels, probabilities > 0.5) <= 0.895
        assert 0.28 <= log_loss(test.labels, probabilities.astype(float)) <= 0.33
