"""Names that are the same however often a record is delivered, and in any language."""

from __future__ import annotations

import hashlib

import pytest

from stream_guard import identity
from stream_guard.identity import PolicyVersion, PromptVersion, Subject, VerdictId
from stream_guard.records import Lease, Record

SUBJECT = Subject("a" * 32)


def make_record(offset: int = 7, partition: int = 3, epoch: int = 1) -> Record:
    """A record at a place."""
    return Record(Lease("chat", partition, epoch), offset, b"")


def test_a_digest_is_the_start_of_the_sha256_of_netstrings() -> None:
    """The definition that another language can follow."""
    assert identity.digest("é", 12, "") == hashlib.sha256("2:é,2:12,0:,".encode()).hexdigest()[:32]


def test_no_two_lists_of_fields_read_alike() -> None:
    """Moving a border between fields changes the id."""
    assert identity.digest("ab", "c") != identity.digest("a", "bc") != identity.digest("abc")


def test_a_subject_depends_on_where_the_record_stands_alone() -> None:
    """A redelivery under another assignment has the same."""
    subject = identity.record_subject("cluster", "topic", make_record(), "message")
    assert subject == identity.digest("record", "cluster", "topic", 3, 7, "message")
    assert subject == identity.record_subject("cluster", "topic", make_record(epoch=9), "message")


@pytest.mark.parametrize(
    "other",
    [
        identity.record_subject("other", "topic", make_record(), "message"),
        identity.record_subject("cluster", "other", make_record(), "message"),
        identity.record_subject("cluster", "topic", make_record(offset=8), "message"),
        identity.record_subject("cluster", "topic", make_record(partition=4), "message"),
        identity.record_subject("cluster", "topic", make_record(), "chat"),
        identity.event_subject("topic", "7"),
        identity.completion_subject("7"),
    ],
)
def test_different_events_have_different_subjects(other: Subject) -> None:
    """Cluster, topic, partition, offset and kind all count."""
    assert other != identity.record_subject("cluster", "topic", make_record(), "message")


def test_the_fast_ways_give_what_the_definition_gives() -> None:
    """What is joined from prepared pieces equals the digest of all the fields."""
    slot = identity.slot("tenant", "live", SUBJECT, "späm")
    assert slot == identity.digest("tenant", "live", SUBJECT, "späm")
    verdict = identity.verdict_id(slot, PolicyVersion("v"), PromptVersion("p"), "final", "model", 0, 0)
    assert verdict == identity.digest(slot, "v", "p", "final", "model", 0, 0)
    ids = [VerdictId("b" * 32), verdict]
    ruling = identity.ruling_id("tenant", "live", SUBJECT, ids, complete=True, reason=None)
    assert ruling == identity.digest("ruling", "tenant", "live", SUBJECT, *sorted(ids), "true", "")


def test_a_ruling_is_the_same_for_the_same_verdicts_in_any_order() -> None:
    """The order in which policies spoke does not matter."""
    ids = [VerdictId("b" * 32), VerdictId("c" * 32)]
    one, other = (identity.ruling_id("t", "live", SUBJECT, x, complete=True, reason=None) for x in (ids, ids[::-1]))
    assert one == other


def test_a_content_hash_depends_on_the_key() -> None:
    """Without the key nobody can test a guess."""
    assert identity.content_hash(b"one", "text") != identity.content_hash(b"two", "text")
