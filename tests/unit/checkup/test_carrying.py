"""What a check says of the redrive topic."""

from __future__ import annotations

from typing import Any

import pytest

from stream_guard.checkup.backlog import judge_backlog
from stream_guard.checkup.broker import judge_permissions
from stream_guard.checkup.carrying import judge_carrying
from stream_guard.checkup.finding import Severity
from stream_guard.checkup.live import judged
from stream_guard.checkup.topics import judge_topics
from stream_guard.kafka.cluster.inspection import Sight
from stream_guard.kafka.cluster.positions import PartitionFacts
from tests.inspections import NOW, ROOMY, make_inspection, make_partition, make_question, make_route, make_topic, only

REDRIVE = {"topic": "again"}


def redrive_topic(**more: Any) -> Any:
    """A redrive topic in the best order."""
    return make_topic("again", **{"settings": ROOMY, **more})


def test_nothing_is_said_where_there_is_none() -> None:
    """It is optional."""
    assert list(judge_carrying(make_question(), make_inspection())) == []


def test_a_redrive_topic_in_order_is_well_and_says_whom_it_trusts() -> None:
    """In all that is looked at, whatever patterns its name matches."""
    question = make_question(make_route(pattern=".*"), redrive=REDRIVE)
    said = make_inspection(redrive_topic())
    findings = [found for section in judged(question, said, NOW) for found in section.findings]
    assert only(findings) == []
    assert "can have anything judged as anything" in " ".join(found.sentence for found in findings)


def test_one_that_is_missing_is_an_error_with_the_command_that_makes_it() -> None:
    """With as many partitions as an input, and room for a dead letter."""
    said = make_inspection(redrive_topic(sight=Sight.ABSENT))
    (found,) = judge_carrying(make_question(redrive=REDRIVE), said)
    assert found.severity is Severity.ERROR
    assert "--topic again --partitions 3" in found.advice
    assert "--config max.message.bytes=1065536" in found.advice
    assert only(list(judge_topics(make_question(redrive=REDRIVE), said))) == []


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"settings": {**ROOMY, "cleanup.policy": "compact,delete"}}, "is compacted"),
        ({"leaderless": 1}, "1 partition without a leader"),
    ],
)
def test_one_that_loses_what_is_redriven_is_an_error(more: dict[str, Any], sentence: str) -> None:
    """What is written to it must come to the service."""
    found = only(list(judge_carrying(make_question(redrive=REDRIVE), make_inspection(redrive_topic(**more)))))
    assert [each.severity for each in found] == [Severity.ERROR]
    assert sentence in found[0].sentence


def test_one_that_is_too_small_is_an_error() -> None:
    """It holds what the dead letters hold."""
    settings = {**ROOMY, "max.message.bytes": "1000000"}
    found = only(list(judge_topics(make_question(redrive=REDRIVE), make_inspection(redrive_topic(settings=settings)))))
    assert [each.sentence.split(" takes ")[0] for each in found] == ["redrive topic 'again'"]


def test_the_service_must_be_allowed_to_read_it() -> None:
    """Not to write it: that is the operator's."""
    question = make_question(redrive=REDRIVE)
    said = make_inspection(redrive_topic(operations=frozenset({"DESCRIBE"})))
    found = only(list(judge_permissions(question, said)))
    assert [each.sentence for each in found] == ["User:ANONYMOUS may not READ from topic again"]


def test_it_begins_at_its_beginning() -> None:
    """Whatever `start` says, and without a first attach to insist on."""
    question = make_question(redrive=REDRIVE, kafka={"start": "latest"})
    attached: list[PartitionFacts] = [make_partition(attached=True, committed=100, at=100, oldest_ms=None)]
    said = make_inspection(redrive_topic(), partitions=[*attached, make_partition(topic="again")])
    found = list(judge_backlog(question, said, NOW))
    assert only(found) == []
    sentences = [each.sentence for each in found if each.sentence.startswith("again:")]
    assert sentences == ["again: 100 records wait from the beginning, as the group has no offsets, back to "
                         + sentences[0].split("back to ")[1]]  # fmt: skip


ESCALATION = {"topic": "up"}
UP = {"when": {"always": True}, "topic": "up", "final_by": "5m"}


def test_what_is_escalated_to_here_is_looked_at_in_the_same_way() -> None:
    """It begins at its beginning, costs one case a record, and trusts those alone who escalate."""
    question = make_question(make_route(subscribe=False), escalation=ESCALATION, kafka={"start": "latest"})
    said = make_inspection(make_topic("up", settings=ROOMY), partitions=[make_partition(topic="up")])
    (found,) = judge_carrying(question, said)
    assert "the deployments alone that escalate should" in found.sentence
    assert question.policies("up") == 1
    assert question.readers("in") == ()
    assert only(list(judge_backlog(question, said, NOW))) == []
    absent = make_inspection(make_topic("up", sight=Sight.ABSENT))
    assert [each.severity for each in only(list(judge_carrying(question, absent)))] == [Severity.ERROR]


def test_a_topic_to_escalate_to_must_be_there_and_keep_what_it_gets() -> None:
    """With room for a record, its policy and its context; the command that makes it says how much."""
    question = make_question(make_route(escalate=UP))
    (found,) = only(list(judge_topics(question, make_inspection(make_topic("up", sight=Sight.ABSENT), inputs=("in",)))))
    assert found.sentence == "output topic up does not exist"
    assert "--config max.message.bytes=1131072" in found.advice
    small = make_inspection(make_topic("up", settings={**ROOMY, "max.message.bytes": "1100000"}), inputs=("in",))
    (found,) = only(list(judge_topics(question, small)))
    assert found.sentence.startswith("escalation topic 'up' takes 1100000 bytes")
    assert "its escalation 131072 more" in found.sentence
    compacted = make_inspection(make_topic("up", settings={**ROOMY, "cleanup.policy": "compact"}), inputs=("in",))
    (found,) = only(list(judge_topics(question, compacted)))
    assert "up is compacted" in found.sentence
    denied = make_inspection(make_topic("up", settings=ROOMY, operations=frozenset({"READ"})), inputs=("in",))
    assert [each.sentence for each in only(list(judge_permissions(question, denied)))] == [
        "User:ANONYMOUS may not WRITE to topic up"
    ]


def test_dead_letters_of_escalated_records_need_more_room() -> None:
    """They hold the policy, too."""
    question = make_question(make_route(subscribe=False), escalation=ESCALATION)
    said = make_inspection(make_topic("up", settings=ROOMY), partitions=[make_partition(topic="up")], inputs=("up",))
    (found,) = only(list(judge_topics(question, said)))
    assert found.sentence.startswith("dead-letter topic 'letters' takes 2000000 bytes")
