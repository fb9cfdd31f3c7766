from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.attach import attach
from stream_guard.kafka.cluster.topic_ids import TopicIds
from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.poller import Poller
from stream_guard.kafka.consumer.rereading import nothing
from stream_guard.kafka.faults import (
    Meaning,
    coordinator_moves,
    describe,
    explain,
    instance_held,
    meaning,
    refusal,
    retriable,
)
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.kafka.sink import KafkaSink
from tests.members import LogBook


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KafkaError(KafkaError._ALL_BROKERS_DOWN), Meaning.TRANSIENT),
        (KafkaError(KafkaError._TRANSPORT), Meaning.TRANSIENT),
        (KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), Meaning.TRANSIENT),
        (KafkaError(KafkaError._MAX_POLL_EXCEEDED), Meaning.TRANSIENT),
        (KafkaError(KafkaError._AUTO_OFFSET_RESET), Meaning.POSITION_GONE),
        (KafkaError(KafkaError.OFFSET_OUT_OF_RANGE), Meaning.POSITION_GONE),
        (KafkaError(KafkaError._BAD_COMPRESSION), Meaning.UNREADABLE),
        (KafkaError(KafkaError._BAD_MSG), Meaning.UNREADABLE),
        (KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED), Meaning.TRANSIENT),
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), Meaning.TRANSIENT),
        (KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED), Meaning.REFUSED),
        (KafkaError(KafkaError._STATE, "x", fatal=True), Meaning.REFUSED),
    ],
)
def test_what_an_error_asks_for(error: KafkaError, expected: Meaning) -> None:
    """Only what the client can't get over by itself halts a partition or stops the process."""
    assert meaning(error) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, False),
        (KafkaError.INVALID_RECORD, False),
        (KafkaError._MSG_TIMED_OUT, True),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, True),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, True),
        (KafkaError._PURGE_QUEUE, True),
        (KafkaError._FATAL, True),
    ],
)
def test_only_what_no_one_can_mend_is_given_up(code: int, expected: bool) -> None:
    """A missing topic or right can be mended from outside; a record that is too large can't."""
    assert retriable(KafkaError(code)) is expected


def test_a_configuration_that_the_client_refuses_is_named() -> None:
    """A misspelt override stops the start with the client's own words, whichever client it was for."""
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", client={"no.such": "1"})
    with pytest.raises(StartRefused, match=r"admin client can't be configured so: .*no\.such"):
        Admin(settings)
    with pytest.raises(StartRefused, match=r"admin client can't be configured so: .*no\.such"):
        attach(settings, ["t"], "earliest", allow_latest=False)
    ids = TopicIds(lambda _: {}, lambda: "cluster")
    with pytest.raises(StartRefused, match=r"consumer can't be configured so: .*no\.such"):
        Poller(settings, Mailbox(lambda: None), LogBook(), ids, nothing, Isolation(None, LogBook()), 1_000)


async def test_a_producer_that_can_not_be_configured_is_named() -> None:
    """The same for the sink; librdkafka names `linger.ms` by its other name."""
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", producer={"linger.ms": "soon"})
    with pytest.raises(StartRefused, match=r"producer can't be configured so: .*queue\.buffering\.max\.ms"):
        KafkaSink(settings, log=LogBook())


def test_a_refusal_says_what_to_grant() -> None:
    """The sentence names the group, the right and the client's words."""
    error = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "not allowed")
    assert str(refusal(error, "g")) == (
        "Kafka refused consumer group 'g': the principal may not use the consumer group: grant READ on it "
        "(GROUP_AUTHORIZATION_FAILED: not allowed)"
    )
    assert describe(error) == "GROUP_AUTHORIZATION_FAILED: not allowed"
    assert explain(error, "READ") == "GROUP_AUTHORIZATION_FAILED: not allowed: grant READ"
    assert explain(KafkaError(KafkaError._TRANSPORT, "away"), "READ") == "_TRANSPORT: away"


@pytest.mark.parametrize(
    ("cause", "why", "held"),
    [
        (
            KafkaError.FENCED_INSTANCE_ID,
            "another process joined under this kafka.instance_id and took its place",
            False,
        ),
        (KafkaError.UNRELEASED_INSTANCE_ID, "another process is a member under this kafka.instance_id", True),
        (KafkaError.GROUP_MAX_SIZE_REACHED, "the group has as many members as the broker allows", False),
        (KafkaError._TRANSPORT, "the client can't go on", False),
    ],
)
def test_a_fatal_error_says_what_it_is_about(cause: int, why: str, held: bool) -> None:
    """The client gives it a code of its own, and the cause in words: as it was seen on a real broker."""
    words = KafkaError(cause).str()
    for error in (KafkaError(KafkaError._FATAL, f"Fatal error: {words}: {words}"), KafkaError(cause, fatal=True)):
        assert meaning(error) is Meaning.REFUSED
        assert why in str(refusal(error, "g"))
        assert instance_held(error) is held


def test_a_coordinator_that_moves_is_asked_again() -> None:
    """Nothing else about a group is."""
    assert coordinator_moves(KafkaException(KafkaError(KafkaError.NOT_COORDINATOR)))
    assert not coordinator_moves(KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)))
    assert not coordinator_moves(TimeoutError())
