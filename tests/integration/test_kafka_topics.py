"""Cluster facts and the check of the outputs, against a real broker."""

from __future__ import annotations

import re

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin, cluster_facts
from stream_guard.kafka.cluster.topics import Selection, check_outputs, resolve
from stream_guard.kafka.settings import KafkaSettings
from tests.fixtures_kafka import Kafka
from tests.members import LogBook

pytestmark = pytest.mark.kafka


def test_facts_name_the_cluster_and_its_topics(kafka: Kafka) -> None:
    """Ids are stable, differ by topic, and are left out for a topic that does not exist."""
    one, two = kafka.topic(), kafka.topic()
    facts = cluster_facts(kafka.settings(), [one, two, kafka.name("absent")])
    assert facts == cluster_facts(kafka.settings(), [two, one])
    assert facts.cluster_id
    assert set(facts.topic_ids) == {one, two}
    assert facts.topic_ids[one] != facts.topic_ids[two]


def test_nothing_asked_needs_no_answer() -> None:
    """No topics, no question."""
    assert Admin(KafkaSettings(bootstrap="127.0.0.1:1", group="g", timeout_s=0.1)).topic_ids([]) == {}


def test_patterns_resolve_against_the_cluster(kafka: Kafka) -> None:
    """Names stand as they are, patterns match whole names, and neither our own topics nor Kafka's are among them."""
    stem = kafka.name("chat")
    chat, own = kafka.topic(name=f"{stem}.a"), kafka.topic(name=f"{stem}.verdicts")
    selection = Selection(names=("named",), patterns=(re.compile(rf"{stem}.*|__.*"),), own=frozenset({own}))
    assert resolve(kafka.settings(), selection) == (chat, "named")


def test_outputs_that_fit_are_taken(kafka: Kafka) -> None:
    """A dead-letter topic with exactly the room that is needed is enough."""
    source, verdicts = kafka.topic(max_message_bytes="1000000"), kafka.topic()
    dead, log = kafka.topic(max_message_bytes="1065536"), LogBook()
    check_outputs(kafka.settings(), [verdicts], {dead: [source]}, log)
    assert log.lines == []


def test_a_dead_letter_topic_that_is_too_small_is_refused_with_numbers(kafka: Kafka) -> None:
    """The sentence says what it takes, what it may have to, and what to set."""
    small, large = kafka.topic(max_message_bytes="1000"), kafka.topic(max_message_bytes="1000000")
    dead = kafka.topic(max_message_bytes="1065535")
    with pytest.raises(
        StartRefused, match=rf"^dead-letter topic.*takes 1065535 bytes.*{large}.*1000000.*65536.*at least 1065536"
    ):
        check_outputs(kafka.settings(), [], {dead: [small, large]}, LogBook())


def test_a_topic_smaller_than_a_batch_is_refused(kafka: Kafka) -> None:
    """The broker would refuse whole batches, records that fit included; a smaller batch.size is the way out."""
    verdicts = kafka.topic(max_message_bytes="200000")
    with pytest.raises(StartRefused, match=rf"{verdicts}.*takes 200000.*batches may have 1000000"):
        check_outputs(kafka.settings(), [verdicts], {}, LogBook())
    check_outputs(kafka.settings(producer={"batch.size": "200000"}), [verdicts], {}, LogBook())


def test_missing_outputs_are_named(kafka: Kafka) -> None:
    """All of them at once, dead-letter topics included."""
    verdicts, dead = kafka.name("verdicts"), kafka.name("dead")
    with pytest.raises(StartRefused, match=f"{dead}, {verdicts}"):
        check_outputs(kafka.settings(), [verdicts], {dead: []}, LogBook())


def test_a_source_that_does_not_exist_yet_is_told(kafka: Kafka) -> None:
    """Its size is not known: the start goes on, and the log says so."""
    dead, absent, log = kafka.topic(), kafka.name("absent"), LogBook()
    check_outputs(kafka.settings(), [], {dead: [absent]}, log)
    assert log.lines == [("kafka.size_unknown", {"topics": [absent], "dead_letters": dead})]


def test_an_unreachable_cluster_says_why() -> None:
    """The client's own words are in the sentence: the question itself only times out."""
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", timeout_s=0.5)
    with pytest.raises(StartRefused, match=r"did not tell its id.*the client says.*Connection refused"):
        cluster_facts(settings, ["t"])
