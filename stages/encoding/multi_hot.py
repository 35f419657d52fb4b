"""Multi-hot encoding: a row per review, with a one in the column of each word that the review contains."""

import numpy as np
import scipy.sparse

from stages.contracts.features import Features
from stages.contracts.reviews import Reviews
from stages.encoding import vocabulary

_BLOCK = 2048
"""Rows encoded at a time. The indices of this many rows fit into the cache of the processor."""


def encode(reviews: Reviews, columns: int) -> Features:
    """Encode reviews as a (rows, columns) float32 CSR matrix of ones, with sorted indices and no duplicates."""
    blocks = [_encode_block(reviews, start, columns) for start in range(0, len(reviews), _BLOCK)]
    return Features(scipy.sparse.vstack(blocks, format="csr"), reviews.labels.astype(np.float32))


def _encode_block(reviews: Reviews, start: int, columns: int) -> scipy.sparse.csr_matrix:
    offsets = reviews.offsets[start : start + _BLOCK + 1]
    rows, first, last = len(offsets) - 1, offsets[0], offsets[-1]
    # Each review starts with the column `START`.
    indices = np.insert(vocabulary.columns(reviews.tokens[first:last], columns), offsets[:-1] - first, vocabulary.START)
    indptr = offsets - first + np.arange(rows + 1, dtype=np.int32)
    matrix = scipy.sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(rows, columns))
    # Converting to CSC and back sorts the indices in linear time. Sorting row by row takes twice as long.
    matrix = matrix.tocsc().tocsr()
    matrix.has_sorted_indices = True
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
