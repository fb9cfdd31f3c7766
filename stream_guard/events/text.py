"""Reads values that are the text of a message, and nothing else."""

from __future__ import annotations

from stream_guard.events.decode import blank
from stream_guard.events.model import Event, Message
from stream_guard.events.outcome import Ignored, Rejection, RejectionReason
from stream_guard.records import Record


class TextReader:
    """The value is a message in UTF-8."""

    def read(self, value: bytes, record: Record, *, max_bytes: int, max_depth: int) -> Event | Ignored | Rejection:
        """See the port. A text does not nest."""
        del record, max_depth
        if len(value) > max_bytes:
            return Rejection(RejectionReason.TOO_LARGE, f"{len(value)} bytes exceed {max_bytes}")
        try:
            message = Message(content=value.decode())
        except UnicodeDecodeError as error:
            return Rejection(RejectionReason.NOT_UTF8, f"at byte {error.start}")
        return blank(message) or message


TEXT = TextReader()
