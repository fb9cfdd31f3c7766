"""What is escalated is the record that was judged, byte for byte; and no header makes anything else of a record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream_guard.escalation.record import CONTEXT_HEADER, HEADER, POLICY_HEADER, kept, restored
from stream_guard.records import Headers, Record
from tests.cases import open_hearing
from tests.escalations import ADVERT, Said, as_brought, make_escalation, make_written_route
from tests.property.test_dead_letter import header_lists, records

ROUTE = make_written_route(escalation=make_escalation())
MESSAGE = b'{"kind":"message","content":"hello there"}'
names = st.sampled_from([HEADER, POLICY_HEADER, CONTEXT_HEADER, "trace", ""])
imitations: st.SearchStrategy[Headers] = st.lists(st.tuples(names, st.none() | st.binary(max_size=20)), max_size=5).map(
    tuple
)
hostile = st.sampled_from([b"", b"{}", b"[]", b"null", b'{"contract":1}', b"[" * 5_000]) | st.binary(max_size=40)


def sent(record: Record) -> Record:
    """Its escalation record, as it lies in the topic."""
    said = Said(open_hearing(record, ROUTE))
    said.say(said.hearing.cases[0], ADVERT, provisional=True)
    (output,) = said.of("up")
    return as_brought(output)


@given(records, imitations, header_lists, header_lists)
def test_what_comes_back_is_the_original(record: Record, more: Headers, before: Headers, after: Headers) -> None:
    """Null keys, duplicates and imitations of ours stay; what is put around on the way is left out."""
    lease = record.lease._replace(topic="chat")
    original = replace(record, value=MESSAGE, headers=record.headers + more, lease=lease)
    lay = sent(original)
    before = tuple(header for header in before if header[0] != HEADER)
    found = restored(replace(lay, headers=(*before, *lay.headers, *after)))
    assert found.origin is not None
    assert replace(found, lease=original.lease, offset=original.offset, origin=None) == original
    assert (found.topic, found.partition, found.origin_offset) == ("chat", lease.partition, original.offset)
    assert found.weight == kept(found).size


@given(hostile, hostile, hostile)
def test_no_header_makes_a_judgeable_record_of_another(said: bytes, policy: bytes, context: bytes) -> None:
    """It stays what it is, with a flaw, whatever stands in ours."""
    lay = sent(Record(open_hearing().record.lease, 7, MESSAGE, key=b"room"))
    for ours in (
        ((HEADER, said), (POLICY_HEADER, policy), (CONTEXT_HEADER, context)),
        ((HEADER, said),),
        ((POLICY_HEADER, policy), (HEADER, said), (CONTEXT_HEADER, context)),
    ):
        foreign = replace(lay, headers=ours)
        found = restored(foreign)
        assert found.flaw_kind == "unrestorable"
        assert found.flaw
        assert found.origin is None
        assert (found.key, found.value, found.headers) == (foreign.key, foreign.value, foreign.headers)
