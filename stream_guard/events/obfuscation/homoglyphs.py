"""Letters that look like others: of another script, or of another font (Unicode's mathematical and full-width alphabets).

A word in one script is ordinary, and so is a foreign word with the ending of one's own language, an acronym with another
script's suffix, or a formula. What no ordinary word has is look-alikes in the midst of another script's letters.

The look-alikes are the Greek and Cyrillic letters of Unicode UTS #39 (confusables.txt of Unicode 17.0.0) that stand for one
Latin letter, but for three of which ordinary endings are made (U+0433, U+0448, U+042C), and what is no letter by itself
(U+037A, Coptic); and U+051A, which is a Q in every font, as its small letter is in the list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from stream_guard.events.obfuscation.letters import CYRILLIC, FOREIGN, LATIN

_CYRILLIC: Final = (
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u0475\u04af\u04bb\u04cf\u0501\u051b\u051d\u0461\u04bd"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408\u0474\u04ae\u04c0\u051a\u051c\u050c"
)
_AS_CYRILLIC: Final = "aeopcyxsijvyhldqwweABEKMHOPCTYXSIJVYlQWG"
_GREEK: Final = (
    "\u03b1\u03b3\u03b9\u03bd\u03bf\u03c1\u03c5\u03f2\u03f3\u03c3\u03f1\u03f8"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03f9\u037f\u03d2\u03dc\u03fa"
)
_AS_GREEK: Final = "ayivopucjoppABEZHIKMNOPTYXCJYFM"

_TO_LATIN: Final[Mapping[int, int]] = str.maketrans(_CYRILLIC + _GREEK, _AS_CYRILLIC + _AS_GREEK)
_TO_CYRILLIC: Final[Mapping[int, int]] = str.maketrans(_AS_CYRILLIC[::-1], _CYRILLIC[::-1])
"""Reversed, so that of two look-alikes the first one counts."""

_MIXED: Final = re.compile(f"[{FOREIGN}](?:[{LATIN}]|(?<=[{LATIN}][{FOREIGN}]))")
"""Every word of both has a place where one script borders on the other."""
_WORD: Final = re.compile(r"[^\W\d_]{3,}+")
_LATIN_LETTER: Final = re.compile(f"[{LATIN}]")
_FOREIGN_LETTER: Final = re.compile(f"[{FOREIGN}]")
_ONLY_CYRILLIC: Final = re.compile(f"[{CYRILLIC}]++")
_FOREIGN_WITHIN: Final = re.compile(
    f"[{LATIN}](?!(?<=[A-Z]{{2}})[\u03b1-\u03c9])[{FOREIGN}]++(?=[{LATIN}])|[{LATIN}](?!\u0430\u0445\\Z)[{FOREIGN}]{{2,}}+\\Z|\\A(?![\u0441\u0421])[{CYRILLIC}]"
)
"""Or at the end, where it is no ending, or a Cyrillic letter at the beginning: unless it is the one that shares a key with its
look-alike, which is a slip of who types. A small Greek letter after two capitals is a symbol (as in names of genes)."""
_LATIN_WITHIN: Final = re.compile(f"[{CYRILLIC}][{LATIN}]++(?=[{CYRILLIC}])")
_TYPED_FOR_WANT: Final = frozenset("Ili")
"""Who lacks the key of the palochka (languages of the Caucasus) or of the Ukrainian i types these."""


def may_hold_lookalikes(text: str) -> bool:
    """Whether a text has a word in two scripts, or a letter in another font. Cheap."""
    return _MIXED.search(text) is not None or _STYLED.search(text) is not None


def without_lookalikes(text: str) -> str:
    """The text with words in one script, and in one font, that look-alikes had been put into."""
    if not text.isascii() and _MIXED.search(text):
        text = _WORD.sub(_in_one_script, text)
    return _FONTS.sub(_in_one_font, text) if _STYLED.search(text) else text


def _in_one_script(found: re.Match[str]) -> str:
    word = found[0]
    if word.isascii() or not _MIXED.search(word):
        return word
    latin, foreign = _LATIN_LETTER.findall(word), _FOREIGN_LETTER.findall(word)
    if len(latin) + len(foreign) < len(word):
        return word
    if len(latin) >= len(foreign):
        return _translated(word, foreign, _TO_LATIN) if _FOREIGN_WITHIN.search(word) else word
    if _TYPED_FOR_WANT.issuperset(latin):
        return word
    if _ONLY_CYRILLIC.fullmatch("".join(foreign)) and _LATIN_WITHIN.search(word):
        return _translated(word, latin, _TO_CYRILLIC)
    return word


def _translated(word: str, lookalikes: list[str], table: Mapping[int, int]) -> str:
    return word.translate(table) if all(ord(letter) in table for letter in lookalikes) else word


_FULL_WIDTH: Final = "\uff21-\uff3a\uff41-\uff5a"
_MATHEMATICAL: Final = (
    "\U0001d400-\U0001d7cb\u2102\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c\u212d\u212f-\u2131\u2133\u2134"
)
_STYLED_CLASS: Final = f"{_FULL_WIDTH}{_MATHEMATICAL}\u24b6-\u24e9"
"""Latin letters in other fonts, circled ones included."""
_STYLED: Final = re.compile(f"[{_STYLED_CLASS}]")
_FONTS: Final = re.compile(f"[A-Za-z{_STYLED_CLASS}]{{4,}}+")
_TWO_FONTS: Final = re.compile(
    f"[A-Za-z][{_STYLED_CLASS}]++(?=[A-Za-z])|[{_STYLED_CLASS}][A-Za-z]++(?=[{_STYLED_CLASS}])"
)
_STYLED_WORD: Final = re.compile(f"[{_MATHEMATICAL}\u24b6-\u24e9]{{4,}}+|[{_FULL_WIDTH}]{{4,}}+")
_EAST_ASIAN: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_FULL_WIDTH_FROM: Final = "\uff21"


def _in_one_font(found: re.Match[str]) -> str:
    word = found[0]
    return word if word.isascii() or not _TWO_FONTS.search(word) else unicodedata.normalize("NFKC", word)


def in_plain_font(text: str) -> str:
    """The text with whole words of another font in the plain one, for a model to read: that is decoration, and hides nothing.

    Full-width letters stay in a text in Chinese, Japanese or Korean, where they are ordinary.
    """
    if not _STYLED.search(text):
        return text
    east_asian = _EAST_ASIAN.search(text) is not None

    def plain(found: re.Match[str]) -> str:
        full_width = _FULL_WIDTH_FROM <= found[0][0] < "\uffff"
        return found[0] if full_width and east_asian else unicodedata.normalize("NFKC", found[0])

    return _STYLED_WORD.sub(plain, text)
