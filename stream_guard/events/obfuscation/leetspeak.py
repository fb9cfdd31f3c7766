"""Digits and signs for letters, undone where a text can hardly mean them as digits.

Most words with digits are ordinary: names of products and machines, ids, formulas, ordinals. So what counts is a word that can
be read only with letters in their place ("m4st3r"), or three different ones in a text that most likely are meant so ("cl1ck
h3re, m0ney"). The rules know English spelling; elsewhere they find less. They look at words between spaces and punctuation, so
at no part of an address, a path, an id, or anything else that is put together by signs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, NamedTuple

_SIGNS: Final = "013457@$"
_BETWEEN_LETTERS: Final = re.compile(f"[{_SIGNS}](?<=[A-Za-z][{_SIGNS}])[{_SIGNS}]?[A-Za-z]")
_LONGEST: Final = 20
_WORD: Final = re.compile(
    rf"((?<!\S)[\"'(\[{{<*_~#]{{0,4}}+)([A-Za-z{_SIGNS}]{{3,{_LONGEST}}}+)(?=[)\]}}>\"'.,;:!?*_~]{{0,8}}(?:\s|\Z))"
)
_GROUP: Final = re.compile(f"[{_SIGNS}]+")
_LONG_VOWELS: Final = frozenset({"00", "33"})
_LONG_CONSONANTS: Final = frozenset({"11", "55", "77"})
_VOWEL_SIGNS: Final = _LONG_VOWELS | set("0134@")
_L: Final = re.compile("(?<=[AEIOUaeiou])1")
_LETTER: Final = str.maketrans("013457@$", "oieastas")
_HEX: Final = re.compile("[0-9a-fA-F]+")
_FORMULA: Final = re.compile("(?:[BCFHIKNOPSUVWY][2-9]?)+")
_VOWELS: Final = frozenset("aeiou")
_NO_CONSONANTS: Final = _VOWELS | {"y"}
_UNREADABLE: Final = re.compile("aa|ii|uu|[aeiou]{3}|[^aeiouy]{5}")
_CLUSTERS: Final[Mapping[str, str]] = {
    "b": "blrs", "c": "chklrt", "d": "dglrsvw", "f": "flrt", "g": "ghlnrs", "h": "t", "k": "lns",
    "l": "bcdfgklmnpstv", "m": "bmnps", "n": "cdgknstvx", "p": "hlprst", "r": "bcdfgklmnprstv", "s": "chklmnpqstw",
    "t": "chlrstw", "w": "hlnrs", "x": "cpt", "z": "z",
}  # fmt: skip
"""The consonants that follow each other in English words."""
_LIKELY_AT_LEAST: Final = 4
"""Characters of a word that is likely meant so."""
_MANY: Final = 3
"""So many different likely words are enough."""


class _Word(NamedTuple):
    """A word whose signs could be meant as letters."""

    letters: str
    """Its own letters, in order, in lower case."""
    groups: tuple[re.Match[str], ...]
    """Where signs stand: one, or two of a kind."""
    plain: str
    """The word with letters for its signs."""

    @property
    def real_vowels(self) -> int:
        return sum(letter in _VOWELS for letter in self.letters)


def may_hold_leetspeak(text: str) -> bool:
    """Whether a text has a sign, or two, between letters. Cheap."""
    return _BETWEEN_LETTERS.search(text) is not None


def without_leetspeak(text: str) -> str:
    """The text with letters for the digits and signs of words, where it has words that are meant so."""
    if not may_hold_leetspeak(text):
        return text
    words = {found[2]: word for found in _WORD.finditer(text) if (word := _word(found[2])) is not None}
    certain = {written for written, word in words.items() if _is_certain(word)}
    likely = {written[: word.groups[0].start()].lower() for written, word in words.items() if _is_likely(word)}
    if not certain and len(likely) < _MANY:
        return text
    plain = {written: word.plain for written, word in words.items() if written in certain or _is_loose(word)}
    return _WORD.sub(lambda found: found[1] + plain.get(found[2], found[2]), text)


def _word(written: str) -> _Word | None:
    """None where its signs can't be meant as letters."""
    if written.isalpha() or written[0] in "@$" or _HEX.fullmatch(written) or _FORMULA.fullmatch(written):
        return None
    groups, letters = tuple(_GROUP.finditer(written)), _GROUP.sub("", written)
    if len(groups) >= len(letters) or not _is_in_one_case(letters) or not all(map(_is_no_number, groups)):
        return None
    plain = _L.sub("l", written.replace("11", "ll")).translate(_LETTER)
    if not _is_readable(plain.lower()):
        return None
    return _Word(letters.lower(), groups, plain.upper() if letters.isupper() else plain)


def _is_in_one_case(letters: str) -> bool:
    return letters.islower() or letters.isupper() or (letters[0].isupper() and letters[1:].islower())


def _is_no_number(group: re.Match[str]) -> bool:
    return len(group[0]) == 1 or group[0] in _LONG_VOWELS or group[0] in _LONG_CONSONANTS


def _is_readable(word: str) -> bool:
    """Whether a word could be an English one, by its letters."""
    return not _UNREADABLE.search(word) and all(
        one in _NO_CONSONANTS or other in _NO_CONSONANTS or other in _CLUSTERS.get(one, "")
        for one, other in pairwise(word)
    )


def _is_certain(word: _Word) -> bool:
    """Signs within it, and more of its vowels are signs than letters: no name with a number in it is like that."""
    vowels = sum(group[0] in _VOWEL_SIGNS for group in word.groups)
    many = len(word.groups) > 1 or word.groups[0][0] in _LONG_VOWELS
    return many and vowels > word.real_vowels and any(map(_is_within, word.groups))


def _is_likely(word: _Word) -> bool:
    """One vowel of two at most is a sign, between consonants; or a double consonant is, after a vowel."""
    group, *more = word.groups
    if more or not _is_within(group) or len(group.string) < _LIKELY_AT_LEAST:
        return False
    before, after = group.string[group.start() - 1].lower(), group.string[group.end()].lower()
    if group[0] in _LONG_CONSONANTS:
        return before in _VOWELS
    return group[0] in _VOWEL_SIGNS and word.real_vowels <= 1 and not {before, after} & _VOWELS


def _is_loose(word: _Word) -> bool:
    """Meant so in a text that has certain words: unless a number stands before or after it."""
    return all(group.start() and (len(group[0]) > 1 or _is_within(group)) for group in word.groups)


def _is_within(group: re.Match[str]) -> bool:
    return group.start() > 0 and group.end() < len(group.string)
