from __future__ import annotations

import pytest

from stream_guard.events.model import Event, Message
from stream_guard.events.outcome import Ignored, Rejection, RejectionReason
from stream_guard.events.text import TEXT
from tests.cases import make_record


def read(value: bytes) -> Event | Ignored | Rejection:
    """What the value is as a text."""
    return TEXT.read(value, make_record(value), max_bytes=20, max_depth=1)


def test_a_value_is_a_message() -> None:
    """All of it is the text, JSON or not."""
    assert read("héllo [[".encode()) == Message(content="héllo [[")
    assert read(b'{"kind": "chat"}') == Message(content='{"kind": "chat"}')


@pytest.mark.parametrize(
    ("value", "rejection"),
    [
        (b"", Rejection(RejectionReason.EMPTY, "the event holds no text and no parts")),
        (b" \n", Rejection(RejectionReason.EMPTY, "the event holds no text and no parts")),
        (b"ab\xff", Rejection(RejectionReason.NOT_UTF8, "at byte 2")),
        (b"\xed\xa0\x80", Rejection(RejectionReason.NOT_UTF8, "at byte 0")),
        (b"x" * 21, Rejection(RejectionReason.TOO_LARGE, "21 bytes exceed 20")),
    ],
)
def test_what_is_no_text_is_rejected(value: bytes, rejection: Rejection) -> None:
    """Blank, not UTF-8 or too large: as our own events would be."""
    assert read(value) == rejection
