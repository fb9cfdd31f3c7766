"""Unwraps CloudEvents 1.0 as they come over Kafka, then reads what they carry.

Structured mode (a header `content-type: application/cloudevents+json`): the value is a JSON object with the attributes and
`data` or `data_base64`. Binary mode (a header `ce_specversion`): the attributes are headers and the value is the data. A
record with neither header is taken to be structured, since bridges lose headers.

Data that is text (`text/*`, or in structured mode any string whose content type is not JSON) is a message; other data is
left to the inner reader. The event takes what it does not say itself from the envelope: its id, its time, and the
attributes `ce_type`, `ce_source` and `ce_subject`. By the specification an id is unique within its source only, so that
it is no completion's: that names a completion everywhere (`identity.completion_subject`).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from msgspec import Raw, Struct, structs
from msgspec.json import Decoder

from stream_guard.events.document import parse
from stream_guard.events.mapping.scalars import as_id, rfc3339
from stream_guard.events.mapping.sources import Unmapped
from stream_guard.events.model import Completion, Event, Scalar
from stream_guard.events.outcome import Ignored, Rejection, RejectionReason
from stream_guard.events.reader import Reader
from stream_guard.events.text import TEXT
from stream_guard.records import Record

_NO_DATA = Rejection(RejectionReason.EMPTY, "the CloudEvent has no data")
_BATCH = Rejection(RejectionReason.UNMAPPED, "CloudEvents: a batch of events in one record is not read")
_VERSION = "1.0"


class CloudEventsReader:
    """Reads the data of CloudEvents by an inner reader."""

    def __init__(self, inner: Reader) -> None:
        self._inner = inner

    def read(self, value: bytes, record: Record, *, max_bytes: int, max_depth: int) -> Event | Ignored | Rejection:
        """See the port. The limits hold for the envelope and for the data."""
        try:
            content_type = _media_type(_header(record, "content-type"))
            if content_type.startswith("application/cloudevents-batch"):
                return _BATCH
            if content_type.startswith("application/cloudevents") or _header(record, "ce_specversion") is None:
                return self._structured(value, record, max_bytes, max_depth)
            envelope = _Envelope(content_type, *(_header(record, f"ce_{name}") for name in _ATTRIBUTES))
            envelope.check("header ce_{}")
            return envelope.fill(self._data(envelope, value, record, max_bytes, max_depth))
        except Unmapped as error:
            return Rejection(RejectionReason.UNMAPPED, f"CloudEvents: {error}")

    def _structured(self, value: bytes, record: Record, max_bytes: int, max_depth: int) -> Event | Ignored | Rejection:
        document = parse(value, max_bytes, max_depth)
        if type(document) is Rejection:
            return document
        envelope = _envelope(document)
        envelope.check("$.{}")
        if (data := document.get("data")) is not None:
            if document.get("data_base64") is not None:
                msg = "$.data and $.data_base64 are both there: only one would be judged"
                raise Unmapped(msg)
            return envelope.fill(self._json_data(envelope, data, value, record, max_bytes, max_depth))
        if (encoded := document.get("data_base64")) is None:
            return _NO_DATA
        return envelope.fill(self._data(envelope, _decoded(encoded), record, max_bytes, max_depth))

    def _json_data(
        self, envelope: _Envelope, data: Any, value: bytes, record: Record, max_bytes: int, max_depth: int
    ) -> Event | Ignored | Rejection:
        """What stands in an envelope as JSON: its very bytes go to the inner reader."""
        if type(data) is str and not _is_json(envelope.content_type):
            return TEXT.read(data.encode(), record, max_bytes=max_bytes, max_depth=max_depth)
        raw = bytes(_DATA(value).data)
        return self._inner.read(raw, record, max_bytes=max_bytes, max_depth=max_depth)

    def _data(
        self, envelope: _Envelope, value: bytes, record: Record, max_bytes: int, max_depth: int
    ) -> Event | Ignored | Rejection:
        """What is not part of a JSON envelope."""
        inner = TEXT if envelope.content_type.startswith("text/") and record.document is None else self._inner
        return inner.read(value, record, max_bytes=max_bytes, max_depth=max_depth)


class _Data(Struct):
    """The data of an envelope, unread."""

    data: Raw


_DATA: Callable[[bytes], _Data] = Decoder(_Data).decode
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time")
_REQUIRED = ("id", "source", "type")


class _Envelope(Struct, frozen=True):
    """What a CloudEvent says of its data; `content_type` is in lower case, without parameters."""

    content_type: str
    specversion: str | None
    id: str | None
    source: str | None
    type: str | None
    subject: str | None
    time: str | None

    def check(self, where: str) -> None:
        """Raises Unmapped where an attribute that must be there is not; `where` is how attributes are found."""
        if self.specversion != _VERSION:
            what = "finds nothing" if self.specversion is None else f"finds a version other than {_VERSION}"
            msg = f"{where.format('specversion')} {what}"
            raise Unmapped(msg)
        for name in _REQUIRED:
            if not getattr(self, name):
                msg = f"{where.format(name)} finds nothing"
                raise Unmapped(msg)

    def fill(self, event: Event | Ignored | Rejection) -> Event | Ignored | Rejection:
        """Adds what an event does not say itself."""
        if isinstance(event, Ignored | Rejection):
            return event
        attributes: dict[str, Scalar] = {f"ce_{name}": getattr(self, name) for name in ("type", "source", "subject")}
        own = {name: value for name, value in attributes.items() if value is not None}
        changes: dict[str, Any] = {"attributes": own | dict(event.attributes)}
        if event.id is None and not isinstance(event, Completion):
            changes["id"] = _taken("id", as_id, self.id)
        if event.created_at is None and self.time is not None:
            changes["created_at"] = _taken("time", rfc3339, self.time)
        return structs.replace(event, **changes)


def _taken(name: str, convert: Callable[[Any], str], value: str | None) -> str:
    try:
        return convert(value)
    except Unmapped as error:
        msg = f"{name} {error}"
        raise Unmapped(msg) from error


def _envelope(document: Any) -> _Envelope:
    if type(document) is not dict:
        msg = "neither a header ce_specversion nor a JSON object with specversion"
        raise Unmapped(msg)
    values = [document.get(name) for name in _ATTRIBUTES]
    for name, value in zip(_ATTRIBUTES, values, strict=True):
        if value is not None and type(value) is not str:
            msg = f"$.{name} finds no string"
            raise Unmapped(msg)
    content_type = document.get("datacontenttype")
    return _Envelope(_media_type(content_type if type(content_type) is str else None), *values)


def _header(record: Record, name: str) -> str | None:
    """The last header of this name, which may be written in any case, as proxies write it."""
    for header, value in reversed(record.headers):
        if header.lower() == name and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                msg = f"header {name} is not UTF-8"
                raise Unmapped(msg) from error
    return None


def _media_type(value: str | None) -> str:
    return (value or "").partition(";")[0].strip().lower()


def _is_json(content_type: str) -> bool:
    return content_type.endswith(("/json", "+json"))


def _decoded(encoded: Any) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        msg = "$.data_base64 is not base64"
        raise Unmapped(msg) from error
