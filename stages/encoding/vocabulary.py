"""The columns of the features.

The encoding is that of `keras.datasets.imdb.load_data`: column = rank + 3. Ranks start at 1, so column 4 is the most
frequent word.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

START, UNKNOWN = 1, 2
SPECIAL = ("<padding>", "<start>", "<unknown>", "<unused>")
"""Columns 0 and 3 are never set. Column 1 is set in every review. Column 2 stands for all words without a column."""


def column_words(words: Sequence[str], num_words: int | None) -> list[str]:
    """Return the word of each column: the special columns, then the most frequent words.

    Args:
        words: the words of the training split by frequency rank.
        num_words: the largest number of columns, or None for all words.
    """
    return [*SPECIAL, *words][:num_words]


def columns(tokens: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return the column of each token, in the shape of `tokens`.

    Args:
        tokens: frequency ranks from 1, of any shape.
        count: the number of columns. A rank beyond the last column becomes `UNKNOWN`.
    """
    shifted = tokens + np.int32(len(SPECIAL) - 1)
    return np.where(shifted < count, shifted, np.int32(UNKNOWN))
