from __future__ import annotations

import pytest

from stream_guard.checkup.broker import judge_cluster, judge_permissions
from stream_guard.checkup.finding import Severity
from stream_guard.checkup.question import Question
from stream_guard.checkup.topics import judge_topics
from stream_guard.kafka.cluster.inspection import GroupFacts, Sight, Untold
from tests.inspections import BROKER, EVERYTHING, make_inspection, make_question, make_topic, only

SASL = {"client": {"security.protocol": "SASL_SSL", "sasl.username": "guard", "sasl.password": "x"}}


@pytest.fixture
def question() -> Question:
    """Asked by a user with a name."""
    return make_question(kafka=SASL)


def test_all_rights_are_well(question: Question) -> None:
    """One line."""
    (found,) = judge_permissions(question, make_inspection())
    assert found.sentence == "User:guard may READ the inputs and as consumer group guard, and WRITE the outputs"


@pytest.mark.parametrize(
    ("topic", "operation", "sentence"),
    [
        ("in", "READ", "User:guard may not READ from topic in"),
        ("verdicts", "WRITE", "User:guard may not WRITE to topic verdicts"),
        ("letters", "WRITE", "User:guard may not WRITE to topic letters"),
    ],
)
def test_a_right_that_is_missing_on_a_topic_is_one_sentence(
    question: Question, topic: str, operation: str, sentence: str
) -> None:
    """With the command that grants it."""
    (found,) = only(
        list(judge_permissions(question, make_inspection(make_topic(topic, operations=EVERYTHING - {operation}))))
    )
    grant = f"kafka-acls --add --allow-principal User:guard --operation {operation.capitalize()} --topic {topic}"
    assert (found.severity, found.sentence, found.advice) == (Severity.ERROR, sentence, grant)


def test_a_topic_that_may_not_be_seen_may_not_exist(question: Question) -> None:
    """Kafka does not tell which; the right that the service needs shows it, too."""
    (found,) = only(list(judge_permissions(question, make_inspection(make_topic("in", sight=Sight.HIDDEN)))))
    assert found.sentence.startswith("topic in does not exist, or User:guard may not see it: it needs READ")


@pytest.mark.parametrize("group", [GroupFacts(hidden=True), GroupFacts(operations=frozenset({"DESCRIBE"}))])
def test_a_right_that_is_missing_on_the_group_is_one_sentence(question: Question, group: GroupFacts) -> None:
    """Whether the group may be seen or not."""
    (found,) = only(list(judge_permissions(question, make_inspection(group=group))))
    assert found.sentence == "User:guard may not READ as consumer group guard"
    assert found.advice == "kafka-acls --add --allow-principal User:guard --operation Read --group guard"


def test_a_cluster_that_does_not_tell_rights_is_no_clean_bill(question: Question) -> None:
    """A warning names what is unsure."""
    (found,) = judge_permissions(question, make_inspection(make_topic("in", operations=None)))
    assert (found.severity, "(in)" in found.sentence) == (Severity.WARNING, True)


def test_settings_that_may_not_be_read_are_said(question: Question) -> None:
    """The service does without DESCRIBE_CONFIGS; this check is blind without."""
    (found,) = only(list(judge_permissions(question, make_inspection(make_topic("in", settings=None)))))
    assert (found.severity, "the settings of in may not be read" in found.sentence) == (Severity.WARNING, True)
    assert "--operation DescribeConfigs --topic in" in found.advice


@pytest.mark.parametrize(
    ("client", "principal", "grantee"),
    [
        ({}, "User:ANONYMOUS", "User:ANONYMOUS"),
        (SASL["client"], "User:guard", "User:guard"),
        ({"security.protocol": "SSL"}, "the principal", "User:NAME"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER"}, "the principal", "User:NAME"),
    ],
)
def test_the_principal_is_named_where_the_configuration_says_it(
    client: dict[str, str], principal: str, grantee: str
) -> None:
    """What a certificate or a token stands for is the broker's to say."""
    question = make_question(kafka={"client": client})
    assert (question.principal, question.grantee) == (principal, grantee)


def test_a_cluster_that_answers_is_named(question: Question) -> None:
    """Its id and how many brokers it has."""
    (found,) = judge_cluster(question, make_inspection())
    assert (found.severity, found.sentence) == (Severity.OK, "cluster cluster answers: 3 brokers")


def test_what_was_not_told_is_said(question: Question) -> None:
    """A question without an answer is no clean bill."""
    found = only(list(judge_cluster(question, make_inspection(untold=(Untold("topic in", "no answer in time"),)))))
    assert [each.sentence for each in found] == ["the cluster did not tell topic in: no answer in time"]


def test_a_cluster_without_an_id_is_refused(question: Question) -> None:
    """As `run` does."""
    assert any(found.severity is Severity.ERROR for found in judge_cluster(question, make_inspection(cluster_id="")))


def test_a_group_protocol_that_the_broker_lacks_is_an_error() -> None:
    """It would refuse every member."""
    question = make_question(kafka={"group_protocol": "consumer"})
    said = make_inspection(broker_settings={**BROKER, "group.coordinator.rebalance.protocols": "classic"})
    (found,) = only(list(judge_cluster(question, said)))
    assert (found.severity, "this broker's groups speak classic" in found.sentence) == (Severity.ERROR, True)


def test_a_topic_that_was_not_told_of_is_neither_missing_nor_forbidden(question: Question) -> None:
    """A question that failed for a moment accuses nobody."""
    topics = [make_topic("in", sight=Sight.UNTOLD), make_topic("rulings", sight=Sight.UNTOLD)]
    said = make_inspection(*topics, untold=(Untold("topic in", "no answer in time"),))
    found = [*judge_permissions(question, said), *judge_topics(question, said)]
    assert only(found, Severity.ERROR) == []
