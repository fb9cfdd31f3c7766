"""Letters of the scripts whose words hold nothing invisible, for the character classes of patterns."""

from __future__ import annotations

from typing import Final

LATIN: Final = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
GREEK: Final = "\u0370-\u03ff"
CYRILLIC: Final = "\u0400-\u052f"
FOREIGN: Final = GREEK + CYRILLIC
"""The scripts whose letters are taken for Latin ones."""
LETTERS: Final = LATIN + FOREIGN
"""Other scripts (Arabic, Hebrew, those of India, Thai, Chinese, ...) need joiners, selectors or breaks within words."""
