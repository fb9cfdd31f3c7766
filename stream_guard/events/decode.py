"""Bytes of a record -> an event, or why there is none.

The happy path is one call of msgspec's typed decoder and a few searches at C speed; only a failure is diagnosed
(`rejection.py`). What was decided here:

- **Blank is EMPTY.** An event whose judged content holds neither a character that is not whitespace nor any part of
  another type says nothing that could be judged: it is EMPTY, like a record without bytes. A message is blank by its
  content, a completion by its completion, a chat only where *every* turn is blank: an empty last turn (a model's tool
  call, say) still stands in a context that can be judged.
- **A chat without turns is INVALID_EVENT**: that is a broken producer, not somebody who wrote nothing.
- **Duplicate keys: the last one counts**, as in `JSON.parse`, Python's `json`, Go and Jackson, so that those readers
  show what was judged. Finding them would cost a second parse of every record. A duplicate `kind` is refused where
  its values differ; all bytes are still bounded, checked as UTF-8, and checked for depth.
- **Part types are names**, of at most 64 letters, digits and `. _ : / + -`: they are published in the coverage, so they
  must not be able to carry content.
- Unknown fields of a part (a picture's URL) are skipped unread, as long as they are JSON within the limits.
"""

from __future__ import annotations

import re

from msgspec import MsgspecError
from msgspec.json import Decoder

from stream_guard.events.model import Chat, Completion, Content, Event, Message, Turn
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.events.rejection import invalid, nests_deeper, rejection

PART_TYPE = r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}"
"""What the type of a part looks like."""

_DECODE = Decoder(Message | Chat | Completion).decode
_IS_PART_TYPE = re.compile(PART_TYPE).fullmatch
_BRACKET, _BACKSLASH = b"[\\"
_PARTLESS_DEPTH = 3
"""event > turns > turn: nothing nests deeper in an event without parts."""
_TOMBSTONE = Ignored(IgnoredReason.TOMBSTONE)
_BLANK = Rejection(RejectionReason.EMPTY, "the event holds no text and no parts")


def decode(value: bytes | None, max_bytes: int, max_depth: int) -> Event | Ignored | Rejection:
    """The event in a record's value; never raises, whatever the bytes.

    `max_bytes` bounds the value, `max_depth` how deep its objects and arrays nest (the event itself is 1). A null value
    is a tombstone and ignored.
    """
    if value is None:
        return _TOMBSTONE
    if len(value) > max_bytes:
        return Rejection(RejectionReason.TOO_LARGE, f"{len(value)} bytes exceed {max_bytes}")
    try:
        event = _DECODE(value)
    except (MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return rejection(value, max_depth, error)
    if max_depth < _PARTLESS_DEPTH or _may_hold_parts(value):
        return _unread(value, max_depth) or _bad_part(event) or blank(event) or event
    return blank(event) or event


def _may_hold_parts(value: bytes) -> bool:
    r"""False proves that there is no part: no array, or no key `type` (an escaped letter of it starts with `\u00`).

    Only parts have fields that are skipped unread. Searching the bytes is cheaper than looking at every turn, and it
    sees what a duplicate key hid.
    """
    return _BRACKET in value and (b'"type"' in value or (_BACKSLASH in value and b"\\u00" in value))


def _unread(value: bytes, max_depth: int) -> Rejection | None:
    """Checks what the decoder skips unread: the unknown fields of parts."""
    if nests_deeper(value, max_depth):
        return Rejection(RejectionReason.TOO_DEEP, f"nests deeper than {max_depth}")
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            return Rejection(RejectionReason.NOT_UTF8, f"at byte {error.start}")
    return None


def blank(event: Event) -> Rejection | None:
    """Why there is nothing in an event that could be judged, None where there is."""
    if isinstance(event, Message):
        return _BLANK if _says_nothing(event.content) else None
    if isinstance(event, Completion):
        return _BLANK if _says_nothing(event.completion) else None
    if not event.turns:
        return invalid("array is empty", "$.turns")
    return _BLANK if all(_says_nothing(turn.content) for turn in event.turns) else None


def _says_nothing(content: Content) -> bool:
    if isinstance(content, str):
        return not content or content.isspace()
    return all(part.type == "text" and _says_nothing(part.text or "") for part in content)


def _bad_part(event: Event) -> Rejection | None:
    if isinstance(event, Message):
        return _flaw(event.content, "$.content")
    if isinstance(event, Chat):
        return _flaw_in_turns(event.turns, "$.turns")
    return _flaw_in_turns(event.prompt, "$.prompt") or _flaw(event.completion, "$.completion")


def _flaw_in_turns(turns: tuple[Turn, ...], path: str) -> Rejection | None:
    for index, turn in enumerate(turns):
        if not isinstance(turn.content, str) and (flaw := _flaw(turn.content, f"{path}[{index}].content")):
            return flaw
    return None


def _flaw(content: Content, path: str) -> Rejection | None:
    if isinstance(content, str):
        return None
    for index, part in enumerate(content):
        if part.type == "text":
            if part.text is None:
                return invalid("text part without text", f"{path}[{index}]")
        elif not _IS_PART_TYPE(part.type):
            return invalid("part type is no name", f"{path}[{index}].type")
    return None
