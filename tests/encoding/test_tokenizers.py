"""The tokenizers agree with Keras's, with a slow definition character by character, and with Python's HTML parser."""

import html
import random
import re
import string
import sys
import unicodedata
from functools import cache
from html.entities import name2codepoint
from html.parser import HTMLParser

import pytest

from stages.encoding import tokenizers as text

SOME = (
    "aZ09 .,'_-\t\n\r\x00\x85\xa0\u2019"
    + "éÀßİ\u0130\u0301\u093f\u200c\u200d\u00ad\ufe0fΣςЖ漢々ー゙กัກិကု²½①\U0001d4b3\U0001e94b\U00010d24☃👍"
)


ASCII = "".join(map(chr, range(128)))


def samples(alphabet: str | list[str], count: int) -> list[str]:
    generator = random.Random(5)
    return ["".join(generator.choices(alphabet, k=generator.randint(0, 30))) for _ in range(count)]


def test_keras_agrees_with_keras_on_ascii() -> None:
    from keras.src.legacy.preprocessing.text import text_to_word_sequence

    for sample in ["It's <br />GOOD\r\n", "", *samples(ASCII, 2000)]:
        assert text.keras(sample) == text_to_word_sequence(sample)


def slow_keras(sample: str) -> list[str]:
    cut = "".join(" " if c in '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n' else c for c in sample)
    return ["".join(c.lower() if c.isascii() else c for c in word) for word in cut.split(" ") if word]


def test_keras_changes_only_ascii() -> None:
    assert text.keras("Ángela ÉTÉ\xa0x\r\n\x85y\u2028z") == ["Ángela", "ÉtÉ\xa0x\r", "\x85y\u2028z"]
    for sample in [*samples(SOME, 2000), "lone \ud800 half"]:
        assert text.keras(sample) == slow_keras(sample)


INLINE = re.findall(
    "[a-z]+", "a abbr b big cite code del em font i ins mark s small span strike strong sub sup tt u wbr"
)
HTML = [
    *"<>&;#/! ab3\0", "<br />", "<B>", "</b >", "<!--", "-->",
    "&amp;", "&#39;", "&#x27;", "&#150;", "&eacute;", "&#1;", "&#xD800;", "&#9999999;",
]  # fmt: skip


def slow_unicode(sample: str) -> list[str]:
    """The docstring of `unicode`, one character at a time."""
    return slow_words(slow_shown(sample))


def slow_shown(sample: str) -> str:
    shown, place = "", 0
    while place < len(sample):
        seen, length = slow_next(sample[place:])
        shown, place = shown + seen, place + length
    return shown


def slow_next(rest: str) -> tuple[str, int]:
    """What a browser shows of a comment, tag, reference or character that a text begins with, and how long it is."""
    if rest[0] not in "<&":
        return rest[0], 1
    if comment := next((start for start in ("<!-->", "<!--->") if rest.startswith(start)), None):
        return "", len(comment)
    if rest.startswith("<!--"):
        return "", min((rest.index(end, 4) + len(end) for end in ("-->", "--!>") if end in rest[4:]), default=len(rest))
    tag, closed, _ = rest[1:].partition(">")
    if rest[0] == "<" and closed and "<" not in tag and tag[:1] in {*string.ascii_letters, "/", "!"}:
        name = re.split("[ \t\r\n\f/]", tag.removeprefix("/"))[0].lower()
        return "" if name in INLINE else " ", len(tag) + 2
    name, closed, _ = rest[1:].partition(";")
    base, digits = (string.hexdigits, name[2:]) if name[:2] in ("#x", "#X") else (string.digits, name[1:])
    number = name[:1] == "#" and digits and set(digits) <= set(base) and len(name) <= 8
    if rest[0] == "&" and closed and (number or name in {*name2codepoint, "apos"}):
        return html.unescape(f"&{name};") or " ", len(name) + 2
    return rest[0], 1


@cache
def unspaced() -> set[str]:
    """The letters and numbers of the scripts without spaces, as TensorFlow's RE2 knows them, and some of no script.

    Planes 2 and 3 belong to Han: Python may know newer characters there than RE2 does.
    """
    import tensorflow as tf

    letters = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] in "LN"]
    scripts = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
    in_script = tf.strings.regex_full_match(tf.constant(letters), scripts).numpy()
    return {*"〆ー㆒㆓㆔㆕ｰﾞﾟ𝍲𝍳𝍴𝍵𝍶"}.union(
        c for c, inside in zip(letters, in_script, strict=True) if inside or ord(c) >> 16 in (2, 3)
    )


def slow_words(sample: str) -> list[str]:
    spaced = alone = ""
    for c in sample:
        if alone and unicodedata.category(c)[0] != "M":
            spaced, alone = f"{spaced} ", ""
        alone = c if c in unspaced() else alone
        spaced += f" {c}" if c in unspaced() else c
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", spaced).casefold()).replace("\u2019", "'")
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


def test_unicode_agrees_with_its_definition() -> None:
    for sample in [*samples(SOME, 5000), *samples(HTML, 5000), *samples(ASCII, 2000)]:
        assert text.unicode(sample) == slow_unicode(sample), ascii(sample)


class Shown(HTMLParser):
    """What is between the tags of a page, with a space where a tag is not within a line."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown = ""
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.shown += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shown += "" if tag in INLINE else " "

    def handle_endtag(self, tag: str) -> None:
        self.shown += "" if tag in INLINE else " "


def test_unicode_agrees_with_a_parser_of_html() -> None:
    pieces = [*"ab é", "'", "a < b", " <3 ", "AT&T", " & ", "<br />", "<br>", "<P class='x'>", "</p>", "<b>", "</B>"]
    pieces += ['<a href="x?y=1&amp;z">', "</a>", "<!-- <br> hidden -->", "&lt;b&gt;", "&amp;amp;", "&#39;", "&#x2019;"]
    pieces += ["&eacute;", "&nbsp;", "&#233;", "&#xE9;", "&#146;", "&hellip;", "&apos;", "\n"]
    for page in samples(pieces, 3000):
        assert text.unicode(page) == slow_words(Shown(page).shown), page


def test_unicode_treats_each_character_by_its_category() -> None:
    characters = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
    for start in range(0, len(characters), 100):
        sample = "".join(f"a{c}b " for c in characters[start : start + 100])
        assert text.unicode(sample) == slow_unicode(sample), hex(ord(characters[start]))


@pytest.mark.parametrize(
    "sample",
    ["देवनागरी हिन्दी", "தமிழ் படம்", "עִבְרִית", "اَلْعَرَبِيَّةُ", "می‌خواهم", "українська м'ята",
     "한국어 영화", "nước việt", "ქართული"],
)  # fmt: skip
def test_words_of_any_script_are_kept_whole(sample: str) -> None:
    assert text.unicode(f"«{sample}»!") == sample.split(" ")


@pytest.mark.parametrize(
    "words", ["漢 字 か な が カ タ 々 2010 本 film 漢 x", "ภ า ษ า ไ ท ย ที่ นี่", "ພ າ ສ າ", "ខ្ មែ រ", "မြ န် မာ"]
)
def test_a_character_is_a_word_in_scripts_without_spaces(words: str) -> None:
    assert text.unicode(words.replace(" ", "")) == words.split(" ")


def test_equivalent_spellings_give_equal_words() -> None:
    for sample in ("Ångström crème ﬁn ΌΣΟΣ", "Tiếng Việt", "각"):
        forms = [unicodedata.normalize(form, sample) for form in ("NFC", "NFD")]
        assert text.unicode(forms[0]) == text.unicode(forms[1]) == text.unicode(forms[0].upper())
    assert text.unicode("Don\u2019t DON'T don''t") == ["don't", "don't", "don", "t"]


@pytest.mark.parametrize("tokenizer", text.TOKENIZERS.values())
def test_long_words_and_no_words(tokenizer: text.Tokenizer) -> None:
    assert tokenizer("x" * 10**6) == ["x" * 10**6]
    assert tokenizer("é" * 10**6) == ["é" * 10**6]
    assert tokenizer("") == tokenizer(" .\n!") == []
