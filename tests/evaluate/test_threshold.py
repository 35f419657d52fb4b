"""The best threshold compared with all other thresholds."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stages.console import UserError
from stages.contracts.model import write_holdout
from stages.evaluate import threshold
from tests.evaluate.test_metrics import example


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_higher_f1(folder, seed: int) -> None:
    labels, probabilities = example(60, seed)
    write_holdout(labels, probabilities)
    best = threshold.choose("best")
    every = [f1_score(labels, probabilities > other) for other in [0.0, *np.unique(probabilities)[:-1]]]
    assert f1_score(labels, probabilities > best) == max(every)
    assert threshold.choose(0.25) == 0.25


def test_the_best_threshold_is_in_the_middle_between_two_probabilities() -> None:
    probabilities = np.array([0.125, 0.25, 0.75, 0.875], np.float32)
    assert threshold.best(np.array([0, 0, 1, 1], np.uint8), probabilities) == 0.5
    assert threshold.best(np.array([0, 1, 1, 1], np.uint8), probabilities) == 0.1875
    assert threshold.best(np.array([1, 1, 1, 0], np.uint8), probabilities[::-1]) == 0.1875


def test_neighbouring_float32_probabilities_are_separated() -> None:
    low = np.float32(0.7)
    probabilities = np.array([low, np.nextafter(low, np.float32(1))])
    best = threshold.best(np.array([0, 1], np.uint8), probabilities)
    assert (probabilities > best).tolist() == [False, True]


def test_rows_of_one_label_have_no_best_threshold(folder) -> None:
    write_holdout(np.ones(3, np.float32), np.full(3, 0.5, np.float32))
    with pytest.raises(UserError, match=r"evaluate\.threshold is 'best'"):
        threshold.choose("best")
