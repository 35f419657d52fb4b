"""The network with what it takes to ask it about a text: what cuts the text, and which column a word is."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stages.console import UserError
from stages.contracts.features import Columns, Features
from stages.contracts.reviews import Reviews
from stages.encoding import multi_hot, vocabulary
from stages.encoding.tokenizers import TOKENIZERS
from stages.inference.attribution import leave_one_out
from stages.inference.network import Network

if TYPE_CHECKING:
    from stages.tables import Row

_ROWS, _CHARACTERS = 2048, 1 << 22
"""Reviews answered at a time, fewer where they are long: this bounds memory."""
_EXPLAINED = 128
"""Reviews explained at a time: this bounds memory, too."""


class Answer(NamedTuple):
    """What the network says of a text."""

    row: int
    """From 1: the row of the file, or which of the texts it was."""
    where: str
    """As in `Row`."""
    text: str
    probability: float
    """Of being positive."""
    known: bool
    """Whether the text has a word that the model knows."""
    contributions: dict[str, float] | None
    """If asked for: log-odds by word, the most positive first; `<unknown>` is all unknown words together."""

    @property
    def label(self) -> str:
        """`positive` or `negative`, as Keras's binary accuracy draws the line."""
        return "positive" if self.probability > 0.5 else "negative"


class Model:
    """What is in models/, ready to answer.

    Example:
        >>> columns = read_columns(MODEL_COLUMNS)
        >>> model = Model(network.read(columns), columns)
        >>> [answer.label for answer in model.answers([Row("here", "this film was just brilliant")], explain=False)]
        ['positive']
    """

    def __init__(self, network: Network, columns: Columns) -> None:
        """Take a network, and what its columns stand for."""
        self._words = columns.words
        self._network = network
        self._tokenize = TOKENIZERS[columns.tokenizer]
        first = len(vocabulary.SPECIAL)
        self._ranks = {word: rank for rank, word in enumerate(self._words[first:], 1)}

    def answers(self, rows: Iterable["Row"], *, explain: bool) -> Iterator[Answer]:
        """Answer for each row, in their order, some thousand at a time.

        A probability does not depend on the texts around: it is the same to the bit for one text and among a million.

        Args:
            rows: the texts.
            explain: whether to tell what each word contributed, at an eighth of the speed.
        """
        number = 0
        for chunk in _chunks(rows):
            features = self.encode([row.text for row in chunk])
            known = features.matrix.indices[features.matrix.indptr[1:] - 1] >= len(vocabulary.SPECIAL)
            reasons = self._reasons(features) if explain else repeat(None)
            probabilities = self._network.predict(features.matrix)
            each = zip(chunk, probabilities.tolist(), known.tolist(), reasons, strict=False)
            for row, probability, has_known, contributions in each:
                number += 1
                yield Answer(row.number or number, row.where, row.text, probability, has_known, contributions)

    def encode(self, texts: Sequence[str]) -> Features:
        """What `vectorize` makes of texts in the training split, labels aside: (texts, columns) multi-hot rows.

        A word without a column of its own sets `vocabulary.UNKNOWN`, whether training met it too rarely or never. (In a
        test split, words that training never met are dropped before.)
        """
        unknown = len(self._words)  # a rank past the last column
        tokens: list[int] = []
        lengths = []
        for text in texts:
            words = self._tokenize(text)
            tokens += map(self._ranks.get, words, repeat(unknown))
            lengths.append(len(words))
        offsets = np.array([0, *accumulate(lengths)], np.int32)
        reviews = Reviews(np.array(tokens, np.int32), offsets, np.zeros(len(texts), np.uint8))
        return multi_hot.encode(reviews, len(self._words))

    def _reasons(self, features: Features) -> Iterator[dict[str, float]]:
        for start in range(0, len(features), _EXPLAINED):
            matrix = features.matrix[start : start + _EXPLAINED]
            values = leave_one_out(self._network, matrix)
            for begin, end in zip(matrix.indptr, matrix.indptr[1:], strict=False):
                order = begin + np.argsort(-values[begin:end], kind="stable")
                columns, falls = matrix.indices[order].tolist(), values[order].tolist()
                yield {
                    self._words[column]: fall
                    for column, fall in zip(columns, falls, strict=True)
                    if column != vocabulary.START
                }


def _chunks(rows: Iterable["Row"]) -> Iterator[list["Row"]]:
    """The rows, some at a time; those before an unreadable one come before its error."""
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
