"""The tokenizers agree with their definitions on any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.encoding import TokenizerName
from stages.encoding.tokenizers import TOKENIZERS
from tests.encoding.test_tokenizers import HTML, SOME, slow_keras, slow_unicode


@pytest.mark.parametrize("name", ["keras", "unicode"])
@given(st.text() | st.text(SOME) | st.lists(st.sampled_from(HTML)).map("".join))
def test_any_text(name: TokenizerName, sample: str) -> None:
    assert TOKENIZERS[name](sample) == {"keras": slow_keras, "unicode": slow_unicode}[name](sample)
