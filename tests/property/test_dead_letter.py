"""A dead letter gives back exactly the record that was kept, and exactly what was said of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream_guard.records import Headers, Lease, Record
from stream_guard.verdicts.dead_letter import DELIMITER, DeadLetter, Scope, decode, encode
from tests.messages import make_dead_letter, make_entry

texts = st.one_of(st.sampled_from(["", "null", "true", "1", "-0", "[]"]), st.text(max_size=20))
optional_texts = st.none() | texts
names = st.one_of(st.text(max_size=10), st.sampled_from(["sg-dl-id", "sg-dl-key", DELIMITER, "traceparent"]))
header_lists: st.SearchStrategy[Headers] = st.lists(
    st.tuples(names, st.none() | st.binary(max_size=20)), max_size=5
).map(tuple)

records = st.builds(
    Record,
    lease=st.builds(Lease, topic=texts, partition=st.integers(0, 2**31 - 1), epoch=st.just(0)),
    offset=st.integers(0, 2**63 - 1),
    value=st.none() | st.binary(max_size=50),
    key=st.none() | st.binary(max_size=20),
    headers=header_lists,
    timestamp_ms=st.none() | st.integers(-1, 2**63 - 1),
    timestamp_type=texts,
    leader_epoch=st.none() | st.integers(0, 2**31 - 1),
)
letters = st.builds(
    make_dead_letter,
    scope=st.sampled_from(Scope),
    reason=texts,
    detail=texts,
    retriable=st.booleans(),
    policy_id=optional_texts,
    policy_version=optional_texts,
    prompt_version=optional_texts,
    namespace=texts,
    lane=st.sampled_from(["live", "shadow", "replay"]),
    kind=optional_texts,
    topic_id=optional_texts,
    attempts=st.integers(0, 2**31),
    first_failed_at_ms=st.integers(0, 2**53),
    model=optional_texts,
    replays=st.integers(0, 100),
    traceparent=optional_texts,
    entries=st.sampled_from(
        [
            (),
            (make_entry(),),
            (make_entry(severity=None), make_entry("harassment")),
            (make_entry(severity=0), make_entry("harassment", severity=4)),
        ]
    ),
)


def home(record: Record, letter: DeadLetter) -> Record:
    """The record in the topic that its dead letter names."""
    return replace(record, lease=record.lease._replace(topic_id=letter.topic_id))


@given(letters, records)
def test_the_round_trip_is_exact(letter: DeadLetter, record: Record) -> None:
    """Any record, any headers (ours imitated, duplicates, nulls), any words: all come back as they were."""
    message = encode(letter, record)
    assert decode(message.key, message.value, message.headers) == (letter, home(record, letter))


@given(letters, records, header_lists, letters)
def test_a_dead_letter_of_a_dead_letter_unpacks_layer_by_layer(
    inner: DeadLetter, record: Record, between: Headers, outer: DeadLetter
) -> None:
    """A dead letter that is itself consumed and dead-lettered loses nothing of either layer."""
    kept = encode(inner, record)
    again = Record(Lease("dead-letters", 0, 0), 7, kept.value, kept.key, kept.headers + between)
    message = encode(outer, again)
    found, restored = decode(message.key, message.value, message.headers)
    assert (found, restored) == (outer, home(again, outer))
    assert decode(restored.key, restored.value, restored.headers) == (inner, home(record, inner))
