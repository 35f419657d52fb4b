"""The page of `make ladder`, made from figures that are known."""

import statistics

from benchmarks import ladder
from benchmarks.ladder import Step
from stages.params import Params
from tests.conftest import REFERENCE


def test_every_step_changes_parameters_that_exist() -> None:
    values = {section: dict(REFERENCE[section]) for section in REFERENCE}
    for changes in list(ladder.STEPS.values())[1:]:
        assert changes
        for key, value in changes.items():
            section, name = key.split(".")
            assert values[section][name] != value
            values[section][name] = value
    Params.model_validate(values)


def test_the_page_has_the_figures_of_each_step_and_of_the_seeds() -> None:
    steps = []
    for number in range(len(ladder.STEPS)):
        accuracy = 0.88 + number / 1000
        metrics = {
            "columns": 10_000 + number,
            "validation": {"binary_accuracy": accuracy + 0.01},
            "test": {"binary_accuracy": accuracy},
            "test_interval": {"binary_accuracy": [accuracy - 0.004, accuracy + 0.004]},
        }
        steps.append(Step(f"ladder-{number}", 10.0 + number, 1.5, metrics))
    first = {"ours": [0.88, 0.89], "notebook": [0.87, 0.89]}
    page = ladder.page("Two cores.", steps, first, {"ours": [0.92, 0.93], "logistic": 0.919})
    assert page.startswith("# From 88.5 to 92.5 percent")
    for number, (title, changes) in enumerate(ladder.STEPS.items()):
        line = next(line for line in page.splitlines() if line.startswith(f"| {number}. {title} "))
        assert all(f"`{key}=" in line for key in changes)
        assert f"{10_000 + number:,}" in line
        assert f"{0.88 + number / 1000:.4f} ({0.876 + number / 1000:.4f}-{0.884 + number / 1000:.4f})" in line
    notebook = next(line for line in page.splitlines() if line.startswith("| notebook "))
    assert f"{statistics.mean(first['notebook']):.4f}" in notebook
    assert f"{statistics.stdev(first['notebook']):.4f}" in notebook
    assert "0.9190" in page
