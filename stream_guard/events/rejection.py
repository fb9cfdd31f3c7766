"""Why bytes are no event: the slow path of decoding, taken by records that will be dead-lettered.

The decoder's own messages quote content (unknown field names, values that are not allowed), so none is passed on: a
detail is one of a fixed list of descriptions, and a path of known field names and indices that exist in the value.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import MsgspecError, Raw, Struct, ValidationError
from msgspec.json import Decoder

from stream_guard.events.outcome import Rejection, RejectionReason

_KINDS = frozenset({"message", "chat", "completion"})
_FIELDS = frozenset({
    "kind", "id", "author", "language", "created_at", "attributes",
    "content", "turns", "prompt", "completion", "model", "role", "name", "type", "text",
})  # fmt: skip

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_SOUND = re.compile(rb"(?:[^\\]++|\\[^u]|%b|\\u(?![dD][89a-fA-F]))*+" % _PAIR)
"""A run without half of a surrogate pair. Read in one go, since a megabyte of escapes must not hold up the rest."""
_LONE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BYTE = re.compile(r"\(byte (\d+)\)\Z")
_PATH = re.compile(r" - at `(\$(?:\.[a-z_]+|\[\d{1,9}\]|\[\.\.\.\])*)`\Z")
_STEP = re.compile(r"\.([a-z_]+)|\[(\d+)\]")
_TYPES = re.compile(r"Expected `([a-z |]+)`(?:, got `([a-z]+)`)?")
_LENGTH = re.compile(r"Expected `str` of length <= (\d+)")
_MISSING = re.compile(r"Object missing required field `([a-z_]+)`")


class _Kind(Struct):
    """Any object that says its kind."""

    kind: str


_SYNTAX = Decoder(Raw)
_ANYTHING = Decoder()
_KIND = Decoder(_Kind)


def nests_deeper(value: bytes, max_depth: int) -> bool:
    """Whether objects and arrays nest deeper than that in this JSON. Exact; at most `max_depth` passes at C speed."""
    if value.count(b"[") + value.count(b"{") <= max_depth:
        return False
    brackets = _STRING.sub(b"", value).translate(_BRACKETS, _NO_BRACKET)
    for _ in range(max_depth):
        # Each pass takes away the innermost containers: one level less.
        shallower = brackets.replace(b"[]", b"")
        if len(shallower) == len(brackets):
            break
        brackets = shallower
    return b"[]" in brackets


def rejection(value: bytes, max_depth: int, error: Exception) -> Rejection:
    """Why these bytes are no event; `error` is what the decoder raised. Never raises."""
    return not_json(value, max_depth) or _unsupported_kind(value) or _invalid_event(value, error)


def not_json(value: bytes, max_depth: int) -> Rejection | None:
    """Why these bytes are no JSON, or nest too deep; None where they are and don't. Never raises."""
    if not value.strip(b" \t\r\n"):
        return Rejection(RejectionReason.EMPTY, "no bytes but whitespace")
    try:
        value.decode()
    except UnicodeDecodeError as not_utf8:
        return Rejection(RejectionReason.NOT_UTF8, f"at byte {not_utf8.start}")
    return _broken_json(value, max_depth)


def invalid(what: str, path: str) -> Rejection:
    """A value that is JSON but not an event."""
    return Rejection(RejectionReason.INVALID_EVENT, f"{what} at {path}" if path else what)


def _broken_json(value: bytes, max_depth: int) -> Rejection | None:
    too_deep = Rejection(RejectionReason.TOO_DEEP, f"nests deeper than {max_depth}")
    try:
        _SYNTAX.decode(value)
    except RecursionError:
        return too_deep
    except MsgspecError as error:
        if _breaks_at_surrogate(value):
            return Rejection(RejectionReason.LONE_SURROGATE, "an escape is half of a surrogate pair")
        place = _BYTE.search(str(error))
        return Rejection(RejectionReason.NOT_JSON, f"at byte {place[1]}" if place else "ends too early")
    return too_deep if nests_deeper(value, max_depth) else None


def _breaks_at_surrogate(value: bytes) -> bool:
    """Whether all is JSON up to half of a surrogate pair: the first defect names the reason."""
    sound = _SOUND.match(value)
    if sound is None or not _LONE.match(value, sound.end()):
        return False
    try:
        _SYNTAX.decode(sound[0] + b"\\ufffd")
    except MsgspecError as error:
        return str(error) == "Input data was truncated"
    return False


def _unsupported_kind(value: bytes) -> Rejection | None:
    kind = _kind(value)
    if kind is None or kind in _KINDS:
        return None
    detail = "kind completion_step is reserved" if kind == "completion_step" else "unknown kind"
    return Rejection(RejectionReason.UNSUPPORTED_KIND, detail)


def _invalid_event(value: bytes, error: Exception) -> Rejection:
    if not isinstance(error, ValidationError):
        return invalid("not an event", "")
    message = str(error)
    return invalid(_what(message), _path(message, value))


def _kind(value: bytes) -> str | None:
    try:
        return _KIND.decode(value).kind
    except (MsgspecError, RecursionError):
        return None


def _what(message: str) -> str:
    if (missing := _MISSING.match(message)) and missing[1] in _FIELDS:
        return f"required field {missing[1]} is missing"
    if length := _LENGTH.match(message):
        return f"longer than {length[1]} characters"
    if types := _TYPES.match(message):
        return f"expected {types[1]}" + (f", got {types[2]}" if types[2] else "")
    return next((what for start, what in _OTHER if message.startswith(start)), "not an event")


_OTHER = (
    ("Object contains unknown field", "unknown field"),
    ("Invalid enum value", "value is none of those allowed"),
    ("Invalid value", "kind is given twice"),
    ("Number out of range", "number is out of range"),
    ("Integer value out of range", "number is out of range"),
)


def _path(message: str, value: bytes) -> str:
    """The path in the message, if it leads through known fields to something in the value; a key may forge one."""
    found = _PATH.search(message)
    if not found:
        return ""
    try:
        node = _ANYTHING.decode(value)
    except (MsgspecError, RecursionError):
        return ""
    return found[1] if _leads_somewhere(found[1], node) else ""


def _leads_somewhere(path: str, node: Any) -> bool:
    for field, index in _STEP.findall(path):
        if field:
            if field not in _FIELDS or not isinstance(node, dict) or field not in node:
                return False
            node = node[field]
        else:
            if not isinstance(node, list) or int(index) >= len(node):
                return False
            node = node[int(index)]
    return True
