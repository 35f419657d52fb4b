"""Multi-hot encoding: a row per review, with a one in the column of each word and n-gram that the review contains."""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from stages.contracts.features import Features
from stages.contracts.reviews import Reviews
from stages.encoding import vocabulary
from stages.encoding.ngrams import NGrams

_BLOCK = 2048
"""Rows encoded at a time. The indices of this many rows fit into the cache of the processor."""
_NONE = NGrams()


def encode(reviews: Reviews, words: int, ngrams: NGrams = _NONE) -> Features:
    """Return the multi-hot rows of reviews, with their labels.

    The matrix is a (rows, columns) float32 CSR matrix of ones, with sorted indices and no duplicates.

    Args:
        reviews: the reviews.
        words: the number of columns of words, which come first; special ones are among them.
        ngrams: the n-grams that have the columns after these.
    """
    blocks = [_encode_block(_rows(reviews, start), words, ngrams) for start in range(0, len(reviews), _BLOCK)]
    return Features(scipy.sparse.vstack(blocks, format="csr"), reviews.labels.astype(np.float32))


def _rows(reviews: Reviews, start: int) -> Reviews:
    offsets = reviews.offsets[start : start + _BLOCK + 1]
    tokens = reviews.tokens[offsets[0] : offsets[-1]]
    return Reviews(tokens, offsets - offsets[0], reviews.labels[start : start + _BLOCK])


def _encode_block(reviews: Reviews, words: int, ngrams: NGrams) -> scipy.sparse.csr_matrix:
    offsets = reviews.offsets
    # Each review starts with the column `START`.
    indices = np.insert(vocabulary.columns(reviews.tokens, words), offsets[:-1], vocabulary.START)
    starts = (offsets + np.arange(len(offsets))).astype(np.int32)
    matrices = [_ones(indices, starts, words)]
    for (places, found), columns in zip(ngrams.columns_in(reviews), ngrams.columns, strict=True):
        starts = np.searchsorted(places, offsets).astype(np.int32)
        matrices.append(_ones(found.astype(np.int32), starts, len(columns)))
    return matrices[0] if len(matrices) == 1 else scipy.sparse.hstack(matrices, format="csr")


def _ones(indices: NDArray[np.int32], indptr: NDArray[np.int32], columns: int) -> scipy.sparse.csr_matrix:
    """Return a canonical CSR matrix of ones, given the columns of each row in any order and with duplicates."""
    shape = len(indptr) - 1, columns
    matrix = scipy.sparse.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape)
    # Converting to CSC and back sorts the indices in linear time. Sorting row by row takes twice as long.
    matrix = matrix.tocsc().tocsr()
    matrix.has_sorted_indices = True
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
