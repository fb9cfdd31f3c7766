"""Text in Base64 or hexadecimal, with the text in its place.

Hashes, ids, keys and pictures decode to bytes that are no text, and long words decode to no UTF-8: so what decodes to a text
was meant to. Addresses and web tokens are left alone: machines write such into them all the time.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from stream_guard.events.obfuscation.readable import text_in

_SHORTEST: Final = 16
"""Characters of an encoded text, at least."""
_LEAST_BYTES: Final = 10
_ALPHABET: Final = "A-Za-z0-9+/_-"
_BEGINS: Final = re.compile(f"[{_ALPHABET}]{{{_SHORTEST}}}").match
_GOES_ON: Final = re.compile(f"[^{_ALPHABET}][{_ALPHABET}]{{{_SHORTEST}}}").search

_TOKEN: Final = re.compile(rf"(?<!\S)\S{{{_SHORTEST},}}+")
_RUN: Final = re.compile(f"(?<![{_ALPHABET}])[{_ALPHABET}]{{{_SHORTEST},}}+={{0,2}}")
_WEB_TOKEN: Final = re.compile(rf"(?<![{_ALPHABET}])eyJ[{_ALPHABET}]++\.")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){16,}+")
_ONE_CASE: Final = re.compile("[A-Z/_-]+|[a-z/_-]+")
"""A long word, a constant's name or a path: what encodes a text never looks like that, but some such decode to one."""
_URL_SAFE: Final = str.maketrans("-_", "+/")


def may_hold_encoded(text: str) -> bool:
    """Whether a text has a run that is long enough. Cheap."""
    return _BEGINS(text) is not None or _GOES_ON(text) is not None


def decoded(text: str) -> str:
    """The text with what its encoded runs say in their place."""
    return _TOKEN.sub(_decoded_token, text) if may_hold_encoded(text) else text


def _decoded_token(found: re.Match[str]) -> str:
    token = found[0]
    if "://" in token or token.startswith(("www.", "data:")) or _WEB_TOKEN.search(token):
        return token
    return _RUN.sub(_decoded_run, token)


def _decoded_run(found: re.Match[str]) -> str:
    run = found[0]
    if _ONE_CASE.fullmatch(run):
        return run
    raw = bytes.fromhex(run) if _HEX.fullmatch(run) else _from_base64(run.rstrip("="))
    return text_in(raw, least=_LEAST_BYTES) or run


def _from_base64(run: str) -> bytes:
    whole = len(run) - len(run) % 4 if len(run) % 4 == 1 else len(run)
    padded = run[:whole].translate(_URL_SAFE) + "=" * (-whole % 4)
    return binascii.a2b_base64(padded)
