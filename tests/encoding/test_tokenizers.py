"""The tokenizers against Keras's own, and against a cut character by character."""

import random
import sys
import unicodedata

import pytest

from stages.encoding import tokenizers as text

SOME = (
    "aZ09 .,'_-\t\n\r\x00\x85\xa0\u2019"
    + "éÀßİ\u0130\u0301\u093f\u200c\u200d\u00ad\ufe0fΣςЖ漢ก²½①\U0001d4b3\U0001e94b\U00010d24☃👍"
)


def samples(alphabet: str, count: int) -> list[str]:
    generator = random.Random(5)
    return ["".join(generator.choices(alphabet, k=generator.randint(0, 30))) for _ in range(count)]


def test_keras_cuts_ascii_as_keras_does() -> None:
    from keras.src.legacy.preprocessing.text import text_to_word_sequence

    for sample in ["It's <br />GOOD\r\n", "", *samples("".join(map(chr, range(128))), 2000)]:
        assert text.keras(sample) == text_to_word_sequence(sample)


def test_keras_lowers_and_cuts_at_ascii_only() -> None:
    def slow(sample: str) -> list[str]:
        cut = "".join(" " if c in '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n' else c for c in sample)
        return ["".join(c.lower() if c.isascii() else c for c in word) for word in cut.split(" ") if word]

    assert text.keras("Ángela ÉTÉ\xa0x\r\n\x85y\u2028z") == ["Ángela", "ÉtÉ\xa0x\r", "\x85y\u2028z"]
    for sample in [*samples(SOME, 2000), "lone \ud800 half"]:
        assert text.keras(sample) == slow(sample)


def slow_unicode(sample: str) -> list[str]:
    """The docstring of `unicode`, read out one character at a time."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", sample).casefold()).replace("\u2019", "'")
    kinds = "".join(unicodedata.category(c)[0] for c in folded)
    words: list[str] = []
    inside = joined = False
    for i, (c, kind) in enumerate(zip(folded, kinds, strict=True)):
        if kind in "LN" or (kind == "M" and inside):
            words[-1:] = [words[-1] + c] if inside or joined else [*words[-1:], c]
            inside, joined = True, False
        elif inside and c in "'\u200c\u200d" and kinds[i + 1 : i + 2] in ("L", "N"):
            words[-1] += c
            inside, joined = False, True
        else:
            inside = joined = False
    return words


def test_unicode_is_what_it_says() -> None:
    for sample in samples(SOME, 5000):
        assert text.unicode(sample) == slow_unicode(sample), ascii(sample)


def test_unicode_takes_every_character_for_what_it_is() -> None:
    characters = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
    for start in range(0, len(characters), 100):
        sample = "".join(f"a{c}b " for c in characters[start : start + 100])
        assert text.unicode(sample) == slow_unicode(sample), hex(ord(characters[start]))


def test_ascii_takes_the_short_way_to_the_same_words() -> None:
    for sample in samples("".join(map(chr, range(128))), 2000):
        assert text.unicode(f"{sample} é")[:-1] == text.unicode(sample)


@pytest.mark.parametrize(
    "sample",
    [
        "देवनागरी हिन्दी",
        "தமிழ் படம்",
        "עִבְרִית",
        "اَلْعَرَبِيَّةُ",
        "می‌خواهم",
        "українська м'ята",
        "한국어 영화",
        "nước việt",
        "ქართული",
        "ภาษาไทย",
    ],
)
def test_words_of_any_script_are_kept_whole(sample: str) -> None:
    assert text.unicode(f"«{sample}»!") == sample.split(" ")


def test_what_reads_the_same_is_the_same() -> None:
    for sample in ("Ångström crème ﬁn ΌΣΟΣ", "Tiếng Việt", "각"):
        forms = [unicodedata.normalize(form, sample) for form in ("NFC", "NFD")]
        assert text.unicode(forms[0]) == text.unicode(forms[1]) == text.unicode(forms[0].upper())
    assert text.unicode("Don\u2019t DON'T don''t") == ["don't", "don't", "don", "t"]


@pytest.mark.parametrize("tokenizer", text.TOKENIZERS.values())
def test_long_words_and_no_words(tokenizer: text.Tokenizer) -> None:
    assert tokenizer("x" * 10**6) == ["x" * 10**6]
    assert tokenizer("é" * 10**6) == ["é" * 10**6]
    assert tokenizer("") == tokenizer(" .\n!") == []
