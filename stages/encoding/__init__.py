"""From text to columns: tokenizers, the vocabulary, and multi-hot rows."""
