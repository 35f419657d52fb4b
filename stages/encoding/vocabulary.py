"""Which column of the features a token sets.

The encoding is that of `keras.datasets.imdb.load_data`: column = rank + 3. Ranks start at 1, so column 4 is the most
frequent word, and column 3 stands for nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

START, UNKNOWN = 1, 2
SPECIAL = ("<padding>", "<start>", "<unknown>", "<unused>")
"""Columns 0 and 3 are never set; 1 is set in every review; 2 stands for any word that is not kept."""


def column_words(words: Sequence[str], num_words: int) -> list[str]:
    """What each column stands for: the special ones, then the most frequent words, `num_words` columns at most."""
    return [*SPECIAL, *words[: num_words - len(SPECIAL)]]


def columns(tokens: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """The column of each token.

    Args:
        tokens: frequency ranks from 1, any shape.
        count: how many columns there are; a rank past the last one becomes `UNKNOWN`.
    """
    shifted = tokens + np.int32(len(SPECIAL) - 1)
    return np.where(shifted < count, shifted, np.int32(UNKNOWN))
