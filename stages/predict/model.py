"""Predict texts: the trained network with its tokenizer and its columns."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.console import UserError
from stages.contracts.features import Columns, Features, read_columns
from stages.contracts.model import MODEL, MODEL_COLUMNS, THRESHOLD, read_threshold
from stages.contracts.reviews import Reviews
from stages.encoding import multi_hot, ngrams, vocabulary
from stages.encoding.tokenizers import LINES
from stages.inference import network
from stages.inference.attribution import leave_one_out

if TYPE_CHECKING:
    from stages.tables.rows import Row

_ROWS, _CHARACTERS = 2048, 1 << 22
"""The number of reviews and of characters that are predicted at a time, to bound memory."""
_EXPLAINED = 128
"""The number of reviews that are explained at a time, to bound memory."""


class Answer(NamedTuple):
    """The prediction for a text."""

    row: int
    """The row of the file or the number of the text, from 1."""
    where: str
    """As in `Row`."""
    text: str
    probability: float
    """The probability that the text is positive."""
    known: bool
    """Whether the text has a word that the model knows."""
    contributions: dict[str, float] | None
    """The effect of each word in log-odds, the most positive first, if requested. `<unknown>` is all unknown words."""
    threshold: float = 0.5
    """Above this probability, the text is positive."""
    problem: str = ""
    """Why there is no prediction, if there is none: that of the `Row`."""

    @property
    def label(self) -> str:
        """`positive` if the probability is above the threshold, else `negative`."""
        return "positive" if self.probability > self.threshold else "negative"


class Model:
    """A network that predicts texts.

    Example:
        >>> columns = read_columns(MODEL_COLUMNS)
        >>> model = Model(network.read(columns), columns)
        >>> [answer.label for answer in model.answers([Row("here", "this film was just brilliant")], explain=False)]
        ['positive']
    """

    def __init__(self, network: network.Network, columns: Columns, threshold: float = 0.5) -> None:
        """Combine a network with the meaning of its columns, and the threshold above which a text is positive."""
        self._threshold = threshold
        self._words = columns.words
        self._network = network
        self._line = LINES[columns.tokenizer]
        self._num_word_columns = columns.num_word_columns
        words = ngrams.all_words(columns)
        self._by_rank = _array(words)
        self._ngrams = ngrams.parse(columns, words)

    def answers(self, rows: Iterable["Row"], *, explain: bool) -> Iterator[Answer]:
        """Yield the prediction for each row, in order, or its problem. Some thousand rows are predicted at a time.

        A probability does not depend on the other texts: it has the same bits for a text alone and among a million.

        Args:
            rows: the texts.
            explain: whether to compute the effect of each word, which takes about eight times as long.
        """
        number = 0
        for chunk in _chunks(rows):
            predicted = self._predict([row.text for row in chunk if not row.problem], explain=explain)
            for row in chunk:
                number += 1
                values = (math.nan, True, None) if row.problem else next(predicted)
                yield Answer(row.number or number, row.where, row.text, *values, self._threshold, row.problem)

    def _predict(self, texts: Sequence[str], *, explain: bool) -> Iterator[tuple[float, bool, dict[str, float] | None]]:
        """Yield the probability of each text, whether it has a known word, and the effect of each word."""
        if not texts:
            return
        features = self.encode(texts)
        # The last column of each row is its highest. Every row has at least the column `START`.
        known = features.matrix.indices[features.matrix.indptr[1:] - 1] >= len(vocabulary.SPECIAL)
        contributions = self._contributions(features) if explain else repeat(None)
        probabilities = self._network.predict(features.matrix)
        yield from zip(probabilities.tolist(), known.tolist(), contributions, strict=False)

    def encode(self, texts: Sequence[str]) -> Features:
        """Return the multi-hot rows of texts, (texts, columns), as `vectorize` encodes the training split.

        A word without a column sets `vocabulary.UNKNOWN`, no matter whether it is rare or absent in the training split.
        (In the test split, words that are absent in the training split are dropped.)
        """
        lines = pc.split_pattern(_array(map(self._line, texts)), " ")
        words, known = lines.flatten(), len(self._by_rank)
        # Arrow numbers the words in the order in which they first come, so a known word gets its rank - 1.
        numbers = pa.concat_arrays([self._by_rank, words]).dictionary_encode().indices
        kept = np.from_dlpack(pc.binary_length(words)) > 0  # two spaces have an empty word between them
        tokens = np.minimum(np.from_dlpack(numbers)[known:][kept], known) + np.int32(1)
        offsets = np.append(0, np.cumsum(kept))[np.from_dlpack(lines.offsets)].astype(np.int32)
        reviews = Reviews(tokens, offsets, np.zeros(len(texts), np.uint8))
        return multi_hot.encode(reviews, self._num_word_columns, self._ngrams)

    def _contributions(self, features: Features) -> Iterator[dict[str, float]]:
        for start in range(0, len(features), _EXPLAINED):
            matrix = features.matrix[start : start + _EXPLAINED]
            values = leave_one_out(self._network, matrix)
            for begin, end in zip(matrix.indptr, matrix.indptr[1:], strict=False):
                order = begin + np.argsort(-values[begin:end], kind="stable")
                columns, effects = matrix.indices[order].tolist(), values[order].tolist()
                yield {
                    self._words[column]: effect
                    for column, effect in zip(columns, effects, strict=True)
                    if column != vocabulary.START
                }


def read_model(models: Path) -> Model:
    """Read the model in a folder."""
    columns = read_columns(models / MODEL_COLUMNS.name)
    return Model(network.read(columns, models / MODEL.name), columns, read_threshold(models / THRESHOLD.name))


def _array(texts: Iterable[str]) -> pa.LargeStringArray:
    """Return texts as an Arrow array. This is `pa.array` without the import of pandas, which takes time."""
    encoded = [text.encode() for text in texts]
    offsets = np.array([0, *accumulate(map(len, encoded))], np.int64)
    return pa.LargeStringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def _chunks(rows: Iterable["Row"]) -> Iterator[list["Row"]]:
    """Yield some rows at a time. Rows before an unreadable row come before its error."""
    chunk: list[Row] = []
    characters = 0
    try:
        for row in rows:
            chunk.append(row)
            characters += len(row.text)
            if len(chunk) == _ROWS or characters >= _CHARACTERS:
                yield chunk
                chunk, characters = [], 0
    except UserError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk
