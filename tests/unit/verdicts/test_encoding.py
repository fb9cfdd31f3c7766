"""How verdicts, rulings and rationales are written: CloudEvents in Kafka binary mode."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.verdicts.encoding import Encoded, encode_rationale, encode_ruling, encode_verdict, output_key, rfc3339
from tests.messages import RECEIVED_MS, SUBJECT, TRACE, make_entry, make_rationale, make_ruling, make_verdict

REQUIRED = {"ce_specversion", "ce_type", "ce_source", "ce_id", "ce_subject", "ce_time", "content-type"}


def attributes(message: Encoded) -> dict[str, bytes | None]:
    """The headers by name; each stands there once."""
    assert len(dict(message.headers)) == len(message.headers)
    return dict(message.headers)


def test_a_verdict_is_a_cloud_event() -> None:
    """The attributes name the verdict, its subject, its route and when it was judged."""
    verdict = make_verdict()
    assert attributes(encode_verdict(verdict, b"room-7")) == {
        "ce_specversion": b"1.0",
        "ce_type": b"stream-guard.verdict.v1",
        "ce_source": b"/stream-guard/default/chat",
        "content-type": b"application/json",
        "ce_id": verdict.id.encode(),
        "ce_subject": SUBJECT.encode(),
        "ce_time": b"2026-01-01T00:00:00.373Z",
    }


def test_a_ruling_is_a_cloud_event() -> None:
    """A ruling has the same attributes, of its own type, id and time."""
    ruling = make_ruling(make_entry())
    found = attributes(encode_ruling(ruling, b"room-7"))
    assert set(found) == REQUIRED
    assert found["ce_type"] == b"stream-guard.ruling.v1"
    assert found["ce_id"] == ruling.id.encode()
    assert found["ce_time"] == rfc3339(ruling.ruled_at_ms)


def test_a_rationale_is_keyed_by_slot_and_an_event_of_its_own() -> None:
    """One tombstone on the slot erases it, and its id never collides with the verdict's of the same source."""
    verdict = make_verdict()
    message = encode_rationale(make_rationale(verdict), verdict)
    assert message.key == verdict.slot.encode()
    assert attributes(message)["ce_type"] == b"stream-guard.rationale.v1"
    assert attributes(message)["ce_source"] == attributes(encode_verdict(verdict, None))["ce_source"]
    assert attributes(message)["ce_id"] != attributes(encode_verdict(verdict, None))["ce_id"]


def test_the_key_is_the_source_records() -> None:
    """Verdict and ruling take the record's key byte for byte; an empty key is a key."""
    for key in (b"room-\xff", b""):
        assert encode_verdict(make_verdict(), key).key == key
        assert encode_ruling(make_ruling(make_entry()), key).key == key


def test_a_null_key_gives_way_to_the_subject() -> None:
    """Without a key the subject takes its place, so that a slot stays in one partition."""
    assert encode_verdict(make_verdict(), None).key == SUBJECT.encode()
    assert encode_ruling(make_ruling(make_entry()), None).key == SUBJECT.encode()
    assert output_key(None, SUBJECT) == SUBJECT.encode()


def test_trace_headers_come_along() -> None:
    """The trace headers stand behind the attributes, unchanged."""
    trace = (*TRACE, ("tracestate", None))
    verdict = make_verdict()
    for message in (
        encode_verdict(verdict, None, trace),
        encode_ruling(make_ruling(make_entry()), None, trace),
        encode_rationale(make_rationale(verdict), verdict, trace),
    ):
        assert message.headers[-2:] == trace


def test_names_in_the_source_are_percent_encoded() -> None:
    """The source is a URI reference whatever the namespace and the route are called."""
    message = encode_verdict(make_verdict(namespace="team a/b", route="räume"), None)
    assert attributes(message)["ce_source"] == b"/stream-guard/team%20a%2Fb/r%C3%A4ume"


def test_values_write_every_field() -> None:
    """Null is written as null: a subscriber sees all fields of the contract in every message."""
    verdict = make_verdict(event_id=None, severity=None)
    assert set(json.loads(encode_verdict(verdict, None).value)) == set(verdict.__struct_fields__)
    ruling = make_ruling(make_entry(severity=None), event_id=None)
    written = json.loads(encode_ruling(ruling, None).value)
    assert set(written) == set(ruling.__struct_fields__)
    assert set(written["entries"][0]) == set(ruling.entries[0].__struct_fields__)


def test_only_the_rationale_quotes() -> None:
    """What the model wrote in words stands in no verdict and no ruling."""
    verdict = make_verdict()
    quote = make_rationale(verdict).rationale or ""
    assert quote.encode() in encode_rationale(make_rationale(verdict), verdict).value
    assert quote.encode() not in encode_verdict(verdict, None).value
    assert quote.encode() not in encode_ruling(make_ruling(make_entry()), None).value


def test_reprs_quote_nothing() -> None:
    """What quotes a user does not show in a log line, neither as a value nor encoded."""
    rationale = make_rationale(make_verdict())
    message = encode_rationale(rationale, make_verdict())
    assert repr(rationale) == f"Rationale({rationale.verdict_id})"
    assert repr(message) == f"Encoded(32 B key, {len(message.value)} B value, 7 headers)"


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001  # UTC is added below
def test_times_are_rfc_3339(moment: datetime) -> None:
    """Every time of our clock reads back to the millisecond."""
    moment = moment.replace(tzinfo=UTC)
    unix_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    read = datetime.fromisoformat(rfc3339(unix_ms).decode())
    assert read == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_times_have_three_digits_of_milliseconds() -> None:
    """Milliseconds are padded, and a whole second has them too."""
    assert rfc3339(RECEIVED_MS - 245) == b"2026-01-01T00:00:00.005Z"
    assert rfc3339(0) == b"1970-01-01T00:00:00.000Z"
