"""The tokenizers agree with their definitions on any text."""

from hypothesis import given
from hypothesis import strategies as st

from stages.encoding import tokenizers as text
from tests.encoding.test_tokenizers import HTML, SOME, slow_unicode

CUT = str.maketrans(
    '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\nABCDEFGHIJKLMNOPQRSTUVWXYZ', " " * 33 + " abcdefghijklmnopqrstuvwxyz"[1:]
)
ANY = st.text() | st.text(SOME) | st.lists(st.sampled_from(HTML)).map("".join)


@given(ANY)
def test_keras(sample: str) -> None:
    assert text.keras(sample) == [word for word in sample.translate(CUT).split(" ") if word]


@given(ANY)
def test_unicode(sample: str) -> None:
    assert text.unicode(sample) == slow_unicode(sample)
