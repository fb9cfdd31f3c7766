"""What is redriven is the record that was dead-lettered, byte for byte, and says where it is from."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream_guard.records import Headers, Lease, Origin, Record
from stream_guard.redrive.provenance import HEADER, redriven, restored
from stream_guard.verdicts import dead_letter
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.decoding import decode_entries
from tests.messages import make_dead_letter, make_entry
from tests.property.test_dead_letter import header_lists, letters, optional_texts, records

REDRIVE = Lease("redrive", 0, 9)
names = st.sampled_from([HEADER, dead_letter.DELIMITER, "trace", ""])
imitations: st.SearchStrategy[Headers] = st.lists(st.tuples(names, st.none() | st.binary(max_size=20)), max_size=4).map(
    tuple
)


def came_back(
    letter: DeadLetter, record: Record, at_ms: int | None = 77, extra: tuple[Headers, Headers] = ((), ())
) -> Record:
    """A dead letter through the redrive topic and back; `extra` headers are put in front and at the end on the way."""
    sent = redriven(letter, record)
    return restored(Record(REDRIVE, 5, sent.value, sent.key, (*extra[0], *sent.headers, *extra[1]), at_ms))


@given(letters, records, imitations, st.none() | st.integers(0, 2**53))
def test_what_comes_back_is_the_original(letter: DeadLetter, record: Record, more: Headers, at_ms: int | None) -> None:
    """Null is not empty, duplicates stay, headers that imitate ours stay; only lease and offset are the redrive topic's."""
    assume((letter.scope is Scope.CASE) == (letter.policy_id is not None))
    record = replace(record, headers=record.headers + more)
    kept = dead_letter.encode(letter, record)
    found = came_back(*dead_letter.decode(kept.key, kept.value, kept.headers), at_ms)
    assert found.origin is not None
    assert (found.lease, found.offset) == (REDRIVE, 5)
    assert replace(found, lease=record.lease, offset=record.offset, origin=None) == record
    assert (found.topic, found.partition, found.origin_offset) == (record.topic, record.partition, record.offset)
    assert found.awaited_since_ms == at_ms


@given(letters, records)
def test_the_origin_says_what_the_dead_letter_said(letter: DeadLetter, record: Record) -> None:
    """Where it stood, what it was about, how often it was redriven, and what the other policies said."""
    assume((letter.scope is Scope.CASE) == (letter.policy_id is not None))
    origin = came_back(letter, record).origin
    assert origin is not None
    assert decode_entries(origin.entries) == letter.entries
    assert replace(origin, entries=b"[]") == Origin(
        cluster=letter.cluster,
        topic=record.topic,
        topic_id=letter.topic_id,
        partition=record.partition,
        offset=record.offset,
        sent_at_ms=77,
        replays=letter.replays + 1,
        subject=letter.subject,
        first_failed_at_ms=letter.first_failed_at_ms,
        policy_id=letter.policy_id,
    )


@given(records, header_lists, header_lists)
def test_what_is_put_around_on_the_way_is_left_out(record: Record, before: Headers, after: Headers) -> None:
    """By an interceptor of the client, say."""
    assume(all(name != HEADER for name, _ in before))
    assert came_back(make_dead_letter(), record, extra=(before, after)).headers == record.headers


@given(records, optional_texts, st.integers(0, 3))
def test_a_record_that_is_redriven_twice_is_still_the_first(record: Record, policy: str | None, replays: int) -> None:
    """What fails again is dead-lettered with its first position, so that it can be redriven again."""
    scope = Scope.RECORD if policy is None else Scope.CASE
    letter = make_dead_letter(scope=scope, policy_id=policy, replays=replays, entries=(make_entry(),))
    once = came_back(letter, record)
    kept = dead_letter.encode(replace(letter, replays=replays + 1), once)
    again = came_back(*dead_letter.decode(kept.key, kept.value, kept.headers))
    assert again.origin is not None
    assert again.origin.replays == replays + 2
    assert replace(again, origin=None) == replace(once, origin=None)


@given(st.sampled_from([b"", b"{}", b"[]", b"null", b'{"contract":1}', b"[" * 5_000]) | st.binary(max_size=20), records)
def test_what_says_nothing_of_its_origin_is_never_judged_as_something_else(value: bytes, record: Record) -> None:
    """Whatever stands in the header, or none: the record stays what it is, with a flaw."""
    for headers in (((HEADER, value), *record.headers), tuple(h for h in record.headers if h[0] != HEADER)):
        foreign = replace(record, headers=headers)
        found = restored(foreign)
        assert found.flaw
        assert found.flaw_kind == "unrestorable"
        assert found.origin is None
        assert (found.key, found.value, found.headers) == (foreign.key, foreign.value, foreign.headers)
