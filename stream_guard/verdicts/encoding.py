"""How verdicts, rulings and rationales are written to Kafka: CloudEvents 1.0 in Kafka binary mode.

The attributes are `ce_*` headers in UTF-8, the value is JSON (CloudEvents, Kafka Protocol Binding 1.0.2, section 3.2). The key
is the source record's, or the subject where that is null, so that the verdicts of a slot always stay in one partition.

Dead letters are no CloudEvents: their value and most of their headers are somebody else's (see `dead_letter.py`).
"""

from __future__ import annotations

import time
from functools import lru_cache
from urllib.parse import quote

import msgspec
from msgspec import Struct

from stream_guard.identity import Subject
from stream_guard.records import Headers
from stream_guard.verdicts.model import CONTRACT_VERSION, Rationale, Ruling, Verdict

VERDICT_TYPE = f"stream-guard.verdict.v{CONTRACT_VERSION}"
RULING_TYPE = f"stream-guard.ruling.v{CONTRACT_VERSION}"
RATIONALE_TYPE = f"stream-guard.rationale.v{CONTRACT_VERSION}"
CONTENT_TYPE = "application/json"
MAX_KEY = 32_768
"""Bytes of a source record's key that are published."""

_json = msgspec.json.Encoder().encode


class Encoded(Struct, frozen=True):
    """What is handed to Kafka, besides the topic."""

    key: bytes
    value: bytes
    headers: Headers

    def __repr__(self) -> str:
        return f"Encoded({len(self.key)} B key, {len(self.value)} B value, {len(self.headers)} headers)"


def encode_verdict(verdict: Verdict, record_key: bytes | None, trace: Headers = ()) -> Encoded:
    """A verdict as a record. `record_key` is the source record's key, `trace` the trace headers to send along."""
    constants = _constants(VERDICT_TYPE, verdict.namespace, verdict.route)
    own = _attributes(verdict.id, verdict.subject, verdict.timings.judged_at_ms)
    return Encoded(output_key(record_key, verdict.subject), _json(verdict), constants + own + trace)


def encode_ruling(ruling: Ruling, record_key: bytes | None, trace: Headers = ()) -> Encoded:
    """A ruling as a record. `record_key` is the source record's key, `trace` the trace headers to send along."""
    constants = _constants(RULING_TYPE, ruling.namespace, ruling.route)
    own = _attributes(ruling.id, ruling.subject, ruling.ruled_at_ms)
    return Encoded(output_key(record_key, ruling.subject), _json(ruling), constants + own + trace)


def encode_rationale(rationale: Rationale, verdict: Verdict, trace: Headers = ()) -> Encoded:
    """The rationale of a verdict as a record, keyed by slot so that one tombstone erases it.

    Its CloudEvents id is not the verdict's own, because source and id together name one event.
    """
    constants = _constants(RATIONALE_TYPE, verdict.namespace, verdict.route)
    own = _attributes(f"{verdict.id}-rationale", verdict.subject, verdict.timings.judged_at_ms)
    return Encoded(rationale.slot.encode(), _json(rationale), constants + own + trace)


def output_key(record_key: bytes | None, subject: Subject) -> bytes:
    """The key of everything published for a record: its own, or the subject where it is null (empty is not null).

    A key of more than `MAX_KEY` bytes stands aside for the subject too: outputs have to fit where they go.
    """
    return subject.encode() if record_key is None or len(record_key) > MAX_KEY else record_key


@lru_cache(maxsize=64)
def rfc3339(unix_ms: int) -> bytes:
    """A Unix time in milliseconds as RFC 3339 in UTC, with milliseconds."""
    # Cached, for outputs come many to a millisecond, and formatting would cost more than all other headers together.
    second, millisecond = divmod(unix_ms, 1000)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{millisecond:03d}Z", time.gmtime(second)).encode()


def _attributes(event_id: str, subject: Subject, at_ms: int) -> Headers:
    return ("ce_id", event_id.encode()), ("ce_subject", subject.encode()), ("ce_time", rfc3339(at_ms))


@lru_cache(maxsize=1024)
def _constants(event_type: str, namespace: str, route: str) -> Headers:
    source = f"/stream-guard/{quote(namespace, safe='')}/{quote(route, safe='')}"
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("content-type", CONTENT_TYPE.encode()),
    )
