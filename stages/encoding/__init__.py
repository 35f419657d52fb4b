"""From text to columns: tokenizers, the vocabulary, and multi-hot rows."""

from typing import Literal

TokenizerName = Literal["keras", "unicode"]
"""The keys of `stages.encoding.tokenizers.TOKENIZERS`. Here, so that `predict` need not import `stages.params`."""
