"""Tokenizers: how a text is cut into words."""

import html
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from html.entities import name2codepoint

Tokenizer = Callable[[str], list[str]]

LONGEST = 10**6
"""The number of characters of the longest review that `stages.tables` accepts. IMDB's longest review has 13,704."""

SEPARATORS = b'!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""What the tokenizer `keras` takes for a space."""
_KERAS = bytes.maketrans(
    SEPARATORS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b" " * len(SEPARATORS) + b"abcdefghijklmnopqrstuvwxyz"
)

# HTML, in regular expressions that mean the same to Python and to TensorFlow, whose RE2 has neither look-ahead nor
# Python's rules for upper and lower case. None of them takes more than linear time.
_INLINE = "a|abbr|b|big|cite|code|del|em|font|i|ins|mark|s|small|span|strike|strong|sub|sup|tt|u|wbr"
_EITHER_CASE = re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", _INLINE)
HIDDEN = rf"(?s)<(?:!--(?:-?>|.*?--!?>|.*)|/?(?:{_EITHER_CASE})(?:[ \t\r\n\f/][^<>]*)?>)"
"""Matches HTML that a browser shows as nothing: comments, to the end if they are not closed, and tags within lines."""
TAG = r"<[a-zA-Z/!][^<>\x00]*>"
"""Matches any other tag, where U+0000 stands for what `HIDDEN` has matched."""
NAMES = tuple(f"&{name};" for name in [*name2codepoint, "apos"])
"""The named character references that are supported: those of HTML 4 and `&apos;`."""
REFERENCE = rf"&#[0-9]{{1,7}};|&#[xX][0-9a-fA-F]{{1,6}};|{'|'.join(NAMES)}"
"""Matches a character reference: a number, decimal or hexadecimal, or one of `NAMES`."""

_UNSPACED = (
    "CJK UNIFIED IDEOGRAPH",
    "CJK COMPATIBILITY IDEOGRAPH",
    "IDEOGRAPHIC",
    "VERTICAL IDEOGRAPHIC",
    "OLD CHINESE",
    "HANGZHOU NUMERAL",
    "HIRAGANA",
    "HENTAIGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
)
"""How the names of characters begin in the scripts that put no space between words."""

_hidden, _tag, _reference = map(re.compile, (HIDDEN, TAG, REFERENCE))
_ASCII_WORD = re.compile("[a-z0-9]+(?:'[a-z0-9]+)*")


def keras(text: str) -> list[str]:
    r"""Cut as Keras's old Tokenizer did when imdb.npz was made.

    A to Z become lower case, no other letter does. Each of ``!"#$%&()*+,-./:;<=>?@[\]^_`{|}~``, tab and newline becomes
    a space, and the text is split at spaces. All else belongs to words: apostrophes, carriage returns, no-break spaces.

    >>> keras("It's Ángela's 2nd film.<br />Go!")
    ["it's", "Ángela's", '2nd', 'film', 'br', 'go']
    """
    return list(filter(None, _keras_line(text).split(" ")))


def _keras_line(text: str) -> str:
    # In UTF-8 the bytes of ASCII stand for nothing else, and bytes are translated several times as fast as characters.
    return text.encode(errors="surrogatepass").translate(_KERAS).decode(errors="surrogatepass")


def unicode(text: str) -> list[str]:
    r"""Cut into words of any script.

    1. HTML becomes what a browser shows. A tag is ``<``, a letter, ``/`` or ``!``, and all up to the next ``>``, if no
       ``<`` comes before it. Tags separate words, except those within lines, such as ``<b>``, which are left out, as
       comments are. Character references (``&amp;``, ``&#39;``, ``&#x27;``) become their characters; they end with a
       semicolon, and the names are those of HTML 4 and ``&apos;``.
    2. In scripts that put no space between words (Han, Kana, Thai, Lao, Khmer, Burmese) each letter or number, with the
       combining marks that follow it, is a word.
    3. The text is decomposed (NFD), case folded (`str.casefold`: ``Straße`` becomes ``strasse``) and composed (NFC), so
       that what reads the same is the same.
    4. A word is a run of letters, combining marks and numbers that does not start with a mark. Runs joined by one
       apostrophe (``'`` or U+2019, which becomes ``'``) or one zero-width joiner or non-joiner are one word. All other
       characters separate words, the underscore too.

    >>> unicode("It\u2019s ÁNGELA&#39;S<br />2nd film_2 — हिन्दी 電影!")
    ["it's", "ángela's", '2nd', 'film', '2', 'हिन्दी', '電', '影']
    """
    if "<" in text or "&" in text:
        text = _without_html(text)
    if text.isascii():  # most texts are: a third of the time, for the same words
        return _ASCII_WORD.findall(text.lower())
    text = _unspaced().sub(r" \1 ", text)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return _any_word().findall(folded.replace("\u2019", "'").replace("_", " "))


def _without_html(text: str) -> str:
    """The text as a browser shows it. U+0000 marks where something was left out, so that nothing new comes together."""
    text = _tag.sub(" ", _hidden.sub("\0", text.replace("\0", " ")))
    return _reference.sub(lambda found: html.unescape(found[0]) or " ", text).replace("\0", "")


@cache
def _any_word() -> re.Pattern[str]:
    r"""A word of any script. Python's `\w` leaves combining marks out: here they are put in."""
    run = rf"[^\W_][\w{_marks()}]*"
    return re.compile(rf"{run}(?:['\u200c\u200d]{run})*")


@cache
def _unspaced() -> re.Pattern[str]:
    return re.compile(unspaced())


def unspaced() -> str:
    """A regular expression for a character that is a word by itself, and its marks, in Python and in TensorFlow."""
    return f"([{ranges(filter(is_unspaced, characters('L', 'N')))}][{_marks()}]*)"


def is_unspaced(letter: str) -> bool:
    """Whether a letter or number belongs to a script without spaces between words."""
    return unicodedata.name(letter, "").startswith(_UNSPACED)


@cache
def _marks() -> str:
    return ranges(characters("M"))


def characters(*categories: str) -> Iterable[str]:
    """Return all Unicode characters in these major categories, such as "L" for letters. This takes 0.2 s."""
    return (c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] in categories)


def ranges(some: Iterable[str]) -> str:
    """Return characters, in the order of their code points, as ranges within the brackets of a regular expression."""
    found: list[list[str]] = []
    for character in some:
        if found and ord(character) == ord(found[-1][1]) + 1:
            found[-1][1] = character
        else:
            found.append([character, character])
    return "".join(f"{first}-{last}" for first, last in found)


TOKENIZERS: dict[str, Tokenizer] = {"keras": keras, "unicode": unicode}
"""By the name that params.yaml knows them by."""
LINES: dict[str, Callable[[str], str]] = {"keras": _keras_line, "unicode": lambda text: " ".join(unicode(text))}
"""Functions that return the words of a text on one line, separated by one or more spaces, also first and last.

Arrow splits many such lines faster than Python.
"""
