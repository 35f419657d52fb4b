"""Multi-hot encoding: a row per review, a one for each word that it holds, however often."""

import numpy as np
import scipy.sparse

from stages.contracts.features import Features
from stages.contracts.reviews import Reviews
from stages.encoding import vocabulary

_BLOCK = 2048
"""Rows encoded at a time: as many as keep the indices in the processor's cache."""


def encode(reviews: Reviews, columns: int) -> Features:
    """Encode reviews as a (rows, columns) float32 CSR matrix of ones, indices sorted, no duplicates."""
    blocks = [_encode_block(reviews, start, columns) for start in range(0, len(reviews), _BLOCK)]
    return Features(scipy.sparse.vstack(blocks, format="csr"), reviews.labels.astype(np.float32))


def _encode_block(reviews: Reviews, start: int, columns: int) -> scipy.sparse.csr_matrix:
    offsets = reviews.offsets[start : start + _BLOCK + 1]
    rows, first, last = len(offsets) - 1, offsets[0], offsets[-1]
    # Every review gets its start column in front of its tokens.
    indices = np.insert(vocabulary.columns(reviews.tokens[first:last], columns), offsets[:-1] - first, vocabulary.START)
    indptr = offsets - first + np.arange(rows + 1, dtype=np.int32)
    matrix = scipy.sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(rows, columns))
    # To CSC and back sorts each row's indices in linear time; sorting them one row at a time takes twice as long.
    matrix = matrix.tocsc().tocsr()
    matrix.has_sorted_indices = True
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
