"""The secured broker of the tests is what it claims to be: else the tests on it would prove nothing."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Producer

from tests.secured import Mechanism, Secured, User, topic

pytestmark = pytest.mark.kafka


def sent(options: dict[str, str], to: str) -> str:
    """Sends one record. Returns how that ended: the error's name, or nothing where it was written."""
    said: list[KafkaError | None] = []
    producer = Producer({"log_level": 0, "error_cb": said.append, "enable.idempotence": True, **options})
    producer.produce(to, b"x", on_delivery=lambda error, _: said.append(error))
    while not said:
        producer.poll(0.1)
    producer.purge()
    producer.flush(5)
    return "" if said[0] is None else said[0].name()


def connection(secured: Secured, user: User, mechanism: Mechanism) -> dict[str, str]:
    """All options of a client."""
    return {"bootstrap.servers": secured.bootstrap_of(mechanism), **secured.client(user, mechanism)}


@pytest.mark.parametrize("mechanism", Mechanism)
def test_a_user_may_do_what_was_allowed_and_nothing_else(secured_kafka: Secured, mechanism: Mechanism) -> None:
    """By every mechanism the user is the same principal; without an ACL it may not even see the topic."""
    user, to = secured_kafka.user(), secured_kafka.topic()
    options = connection(secured_kafka, user, mechanism)
    assert sent(options, to) == "TOPIC_AUTHORIZATION_FAILED"
    secured_kafka.allow(user.name, "WRITE", topic(to))
    assert sent(options, to) == ""
    secured_kafka.withdraw(user.name, "WRITE", topic(to))
    assert sent(options, to) == "TOPIC_AUTHORIZATION_FAILED"


@pytest.mark.parametrize("mechanism", [m for m in Mechanism if m is not Mechanism.MTLS])
def test_a_wrong_secret_opens_nothing(secured_kafka: Secured, mechanism: Mechanism) -> None:
    """The broker, or the token endpoint, tells the user from somebody who only knows the name."""
    user, to = secured_kafka.user(), secured_kafka.topic()
    secured_kafka.allow(user.name, "WRITE", topic(to))
    options = connection(secured_kafka, user._replace(password=user.password[::-1]), mechanism)
    assert sent(options, to) == "_AUTHENTICATION"
