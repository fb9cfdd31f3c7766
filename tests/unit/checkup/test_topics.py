from __future__ import annotations

from typing import Any

import pytest

from stream_guard.checkup.finding import Severity
from stream_guard.checkup.question import Plan, Question
from stream_guard.checkup.topics import judge_topics, retention_s
from stream_guard.kafka.cluster.inspection import Inspection, Sight
from tests.inspections import ROOMY, make_inspection, make_question, make_route, make_topic, only


def judge(question: Question, said: Inspection) -> list[tuple[Severity, str]]:
    """What is not well."""
    return [(found.severity, found.sentence) for found in only(list(judge_topics(question, said)))]


def test_a_cluster_in_order_is_well() -> None:
    """Nothing to mend, and a line for the input and the outputs."""
    found = [each.sentence for each in judge_topics(make_question(), make_inspection())]
    assert found == ["input topic in: 3 partitions", "3 output topics exist: letters, rulings, verdicts"]


def test_a_missing_input_is_a_warning() -> None:
    """`run` waits for it and reads it from its beginning."""
    said = make_inspection(make_topic("in", sight=Sight.ABSENT, partitions=0))
    assert judge(make_question(), said) == [(Severity.WARNING, "input topic in does not exist")]


def test_a_missing_output_is_an_error_and_says_how_to_make_it() -> None:
    """`run` refuses to start without it."""
    (found,) = only(list(judge_topics(make_question(), make_inspection(make_topic("rulings", sight=Sight.ABSENT)))))
    assert (found.severity, found.sentence) == (Severity.ERROR, "output topic rulings does not exist")
    assert "kafka-topics --create --topic rulings --partitions 3 --replication-factor 3;" in found.advice


def test_a_missing_dead_letter_topic_is_made_large_enough() -> None:
    """With the limit of its largest input, and room for what a dead letter adds."""
    (found,) = only(list(judge_topics(make_question(), make_inspection(make_topic("letters", sight=Sight.ABSENT)))))
    assert "--topic letters --partitions 3 --replication-factor 3 --config max.message.bytes=1065536;" in found.advice


@pytest.mark.parametrize("topic", ["in", "verdicts"])
def test_partitions_without_a_leader_are_an_error(topic: str) -> None:
    """They can be neither read nor written."""
    said = make_inspection(make_topic(topic, leaderless=2))
    assert judge(make_question(), said) == [(Severity.ERROR, f"topic {topic} has 2 partitions without a leader")]


def test_more_replicas_than_partitions_stay_idle() -> None:
    """Partitions of all inputs count; so many replicas as partitions are fine."""
    said = make_inspection(make_topic("in2", partitions=1))
    routes = [make_route(), make_route("other", topic="in2")]
    (found,) = only(list(judge_topics(make_question(*routes, plan=Plan(replicas=6)), said)))
    assert found.severity is Severity.WARNING
    assert "the inputs have 4 partitions together: replicas beyond 4 stay idle" in found.sentence
    assert judge(make_question(*routes, plan=Plan(replicas=4)), said) == []


def test_a_pattern_says_what_it_matches_now() -> None:
    """Topics that may not be seen are not counted; none at all is a warning at the pattern."""
    question = make_question(make_route(pattern="in.*"))
    said = make_inspection(make_topic("in2"), make_topic("in3", sight=Sight.HIDDEN))
    assert "route chat reads 2 topics now: in, in2" in [found.sentence for found in judge_topics(question, said)]
    other = judge(make_question(make_route(pattern="x.*")), make_inspection())
    assert other == [(Severity.WARNING, "route chat: no topic that User:ANONYMOUS may DESCRIBE matches x.* now")]


@pytest.mark.parametrize(
    ("facts", "severity", "words"),
    [
        (
            {"replicas": 1, "in_sync": 1, "settings": {**ROOMY, "min.insync.replicas": "1"}},
            Severity.WARNING,
            "one replica each",
        ),
        ({"settings": {**ROOMY, "min.insync.replicas": "1"}}, Severity.WARNING, "min.insync.replicas is 1"),
        ({"replicas": 1, "in_sync": 1}, Severity.ERROR, "no output can ever be acknowledged"),
        ({"in_sync": 1}, Severity.ERROR, "outputs wait until the others are back"),
        ({"settings": {**ROOMY, "cleanup.policy": "compact"}}, Severity.WARNING, "topic verdicts is compacted"),
        (
            {"settings": {**ROOMY, "max.message.bytes": "900000"}},
            Severity.ERROR,
            "set batch.size of the producer to at most 900000",
        ),
    ],
)
def test_what_would_lose_outputs_is_found(facts: dict[str, Any], severity: Severity, words: str) -> None:
    """Replication, cleanup and size of what is written to."""
    found = judge(make_question(), make_inspection(make_topic("verdicts", **facts)))
    assert any(grave is severity and words in sentence for grave, sentence in found), found


def test_a_dead_letter_topic_must_hold_the_largest_record() -> None:
    """The same rule, in the same words, as `run`."""
    said = make_inspection(make_topic("letters", settings={**ROOMY, "max.message.bytes": "1000001"}))
    (found,) = judge(make_question(), said)
    assert found[0] is Severity.ERROR
    assert "set max.message.bytes of 'letters' to at least 1065536" in found[1]


def test_dead_letters_may_be_compacted() -> None:
    """They are keyed so that one can be erased."""
    assert (
        judge(
            make_question(),
            make_inspection(make_topic("letters", settings={**ROOMY, "cleanup.policy": "compact,delete"})),
        )
        == []
    )


def test_unknown_settings_are_not_guessed() -> None:
    """Without DESCRIBE_CONFIGS nothing is said of them here."""
    topics = [make_topic(name, settings=None) for name in ("in", "verdicts", "rulings", "letters")]
    assert judge(make_question(), make_inspection(*topics)) == []


def test_the_time_of_records_matters_where_something_counts_from_it() -> None:
    """CreateTime is said; an expiry that retention is faster than is a warning."""
    question = make_question(make_route(expire_after="7d"))
    said = make_inspection(make_topic("in", settings={**ROOMY, "message.timestamp.type": "CreateTime"}))
    sentences = [found.sentence for found in judge_topics(question, said)]
    assert "topic in keeps its producers' timestamps (CreateTime): expire_after trusts their clocks" in sentences
    assert "route chat: expire_after (7 d) is never reached, as topic in deletes records after 7 d" in sentences
    context = make_question(make_route(context={"last": 3}))
    assert any("context trusts their clocks" in found.sentence for found in judge_topics(context, said))


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, None),
        ({"retention.ms": "-1"}, None),
        ({"retention.ms": "60000"}, 60.0),
        ({"retention.ms": "60000", "cleanup.policy": "compact"}, None),
    ],
)
def test_retention_is_known_where_records_are_deleted(settings: dict[str, str], kept: float | None) -> None:
    """None where they stay for ever, or where nobody may know."""
    assert retention_s(make_topic("in", settings=settings)) == kept
