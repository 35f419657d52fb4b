"""Splits of your own reviews: duplicates, the test rows, and the order of the training rows.

All are decided by hashes of the words, so that a new review does not move the others.
"""

import numpy as np
from numpy.typing import NDArray

from stages.console import UserError, say
from stages.download.labels import CLASSES
from stages.params import Files, holdout_that_fits


def mix(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Mix hashes with the seed, by the last steps of SplitMix64. Different hashes stay different.

    SplitMix64: Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
    """
    mixed = hashes ^ np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def find_duplicates(
    settings: Files, rows: NDArray[np.int64], labels: NDArray[np.int8], words: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], int, int]:
    """Count rows that have the words of an earlier one, and leave them out if `data.files.duplicates` says so.

    Args:
        settings: the section `data.files` of params.yaml.
        rows: (n,) the numbers of the rows that have a label.
        labels: (rows,) the label of every row.
        words: (rows,) the mixed hash of the words of every row.

    Returns:
        The rows to go on with, how many duplicates there are, and how many texts have both labels.
    """
    _, first, group = np.unique(words[rows], return_index=True, return_inverse=True)
    positive = np.bincount(group, labels[rows])
    both = int(((positive > 0) & (positive < np.bincount(group))).sum())
    duplicates = len(rows) - len(first)
    if duplicates:
        kept = "left out" if settings.duplicates == "drop" else "kept"
        say(f"{duplicates:,} of {len(rows):,} reviews have the same words as an earlier one, and are {kept}")
    if both:
        say(f"warning: {both:,} texts have both labels")
    return rows[np.sort(first)] if settings.duplicates == "drop" else rows, duplicates, both


def draw_test_rows(share: float, labels: NDArray[np.int8], words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Draw the test rows: about the same share of each class.

    Rows with the same words are either all test rows or all training rows. The hashes serve as random numbers: the rows
    with the smallest hashes are drawn. So if you add reviews, nearly all others stay in their split.

    Args:
        share: the share of each class.
        labels: (rows,) 0 or 1.
        words: (rows,) the mixed hash of each row's words.

    Returns:
        (rows,) whether each row is a test row.
    """
    _, first, group, sizes = np.unique(words, return_index=True, return_inverse=True, return_counts=True)
    testing = np.zeros(len(first), bool)
    for value, name in enumerate(CLASSES):
        groups = np.flatnonzero(labels[first] == value)  # a text with both labels counts as what it is first
        ends = np.cumsum(sizes[groups])
        wanted = round(share * int(ends[-1])) if len(ends) else 0
        drawn = int(np.searchsorted(ends, wanted)) + 1
        if wanted == 0 or drawn >= len(groups):
            raise UserError(
                f"{len(groups):,} different {name} reviews are too few to split: test_share = {share} holds out "
                f"{wanted:,}, expected at least 1, and 1 left to train on.\nAdd reviews{_that_fit(groups, labels)}"
            )
        testing[groups[:drawn]] = True
    return testing[group]


def _that_fit(groups: NDArray[np.int64], labels: NDArray[np.int8]) -> str:
    """Return values for test share and hold-out with which these reviews can be split, as the end of an error."""
    if len(groups) < 2:
        return ""
    holdout = holdout_that_fits(len(labels) // 2)
    more = f" and train.holdout_rows to {holdout}" if holdout else ""
    return f", or set data.files.test_share to 0.5{more} in params.yaml"


def shuffle(rows: NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Order rows by their hashes, those that have the same words last: a hold-out of the first rows shares none."""
    _, group, sizes = np.unique(words[rows], return_inverse=True, return_counts=True)
    return rows[np.lexsort((rows, group, sizes[group] > 1))]
