"""The tail of a topic on a broker that lets nobody do what no ACL allows."""

from __future__ import annotations

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.tail import read_tail
from stream_guard.kafka.settings import KafkaSettings
from tests.secured import Mechanism, Secured, User, topic

pytestmark = pytest.mark.kafka


def settings_of(secured: Secured, user: User, mechanism: Mechanism = Mechanism.SCRAM_512) -> KafkaSettings:
    """How this user connects."""
    return KafkaSettings(
        bootstrap=secured.bootstrap_of(mechanism),
        group=secured.name("group"),
        client=secured.client(user, mechanism),
        timeout_s=5.0,
    )


def make_topic(secured: Secured) -> str:
    """A topic with three records in two partitions."""
    name = secured.topic(2)
    secured.send(name, [b"1", b"2"], 0)
    secured.send(name, [b"3"], 1)
    return name


@pytest.mark.parametrize("mechanism", Mechanism)
def test_read_on_the_topic_is_all_it_takes(secured_kafka: Secured, mechanism: Mechanism) -> None:
    """READ (it implies DESCRIBE), by every mechanism; the principal may use no group at all."""
    user, name = secured_kafka.user(), make_topic(secured_kafka)
    secured_kafka.allow(user.name, "READ", topic(name))
    tail = read_tail(settings_of(secured_kafka, user, mechanism), name, 10)
    assert [record.value for record in tail.records] == [b"1", b"2", b"3"]
    assert [partition.unread for partition in tail.partitions] == ["", ""]


@pytest.mark.parametrize("right", [None, "DESCRIBE", "WRITE"])
def test_without_it_the_sentence_says_what_to_grant(secured_kafka: Secured, right: str | None) -> None:
    """Also where the topic may be seen but not read."""
    user, name = secured_kafka.user(), make_topic(secured_kafka)
    if right is not None:
        secured_kafka.allow(user.name, right, topic(name))
    with pytest.raises(StartRefused, match=f"may not read topic '{name}'.*grant READ and DESCRIBE on it"):
        read_tail(settings_of(secured_kafka, user), name, 10)


def test_a_wrong_password_is_said(secured_kafka: Secured) -> None:
    """The question itself only times out: the client's own words tell why. They hold no secret."""
    user, name = secured_kafka.user(), make_topic(secured_kafka)
    secured_kafka.allow(user.name, "READ", topic(name))
    wrong = user._replace(password=user.password[::-1])
    with pytest.raises(StartRefused, match=r"the client says .*[Aa]uthentication") as refused:
        read_tail(settings_of(secured_kafka, wrong), name, 10)
    assert wrong.password not in str(refused.value)
