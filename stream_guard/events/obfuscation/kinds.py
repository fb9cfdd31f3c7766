"""The ways of hiding what a text says that are looked for: a closed list, which only grows."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """One way of hiding what a text says."""

    ZERO_WIDTH = "zero_width"
    """Invisible characters within words, or many in a row."""
    TAG_CHARACTERS = "tag_characters"
    """Invisible twins of ASCII (U+E0000 block), but for those of which flags are made."""
    VARIATION_SELECTORS = "variation_selectors"
    """Selectors within words, or rows of them, which can carry any bytes."""
    BIDI = "bidi"
    """Letters that are written backwards and shown forwards, by a right-to-left override."""
    HOMOGLYPHS = "homoglyphs"
    """Letters of another script or font that look alike, within one word."""
    LEETSPEAK = "leetspeak"
    """Digits and signs for letters, where no ordinary word has them."""
    ENCODED = "encoded"
    """Text in Base64 or hexadecimal."""
