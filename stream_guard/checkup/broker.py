"""What is to be said of the cluster as a whole, and of the permissions in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stream_guard.checkup.finding import Finding, error, ok, warning
from stream_guard.checkup.question import Question
from stream_guard.checkup.words import counted, listed
from stream_guard.kafka.cluster.inspection import GroupFacts, Inspection, Sight, TopicFacts
from stream_guard.kafka.cluster.rights import Right, needed

_PROTOCOLS = "group.coordinator.rebalance.protocols"


class _Need(NamedTuple):
    """A right that the service can't do without. `has` is None where the broker does not tell."""

    right: Right
    has: bool | None
    hidden: bool


def judge_cluster(question: Question, said: Inspection) -> Iterator[Finding]:
    """That it answers, and what it did not answer."""
    yield ok(f"cluster {said.cluster_id} answers: {counted(said.brokers, 'broker')}")
    if not said.cluster_id:
        yield error(
            "the cluster has no id: verdict ids would not be unique", "use a cluster with KIP-78 (Kafka 0.10.1)"
        )
    protocols = (said.broker_settings or {}).get(_PROTOCOLS)
    wanted = question.settings.kafka.group_protocol
    if protocols is not None and wanted not in protocols.split(","):
        yield error(
            f"kafka.group_protocol is {wanted}, but this broker's groups speak {protocols}",
            f"set kafka.group_protocol: classic, or add {wanted} to the broker's {_PROTOCOLS}",
        )
    for untold in said.untold:
        yield warning(
            f"the cluster did not tell {untold.what}: {untold.why}", "ask again; what rests on it was not checked"
        )


def judge_permissions(question: Question, said: Inspection) -> Iterator[Finding]:
    """One sentence for each right that is missing, with the command that grants it."""
    needs = list(_needs(question, said))
    missing = [need for need in needs if need.has is False]
    for need in missing:
        yield error(_sentence(question, need), _grant(question, need))
    if not missing:
        yield from _granted(question, needs)
    yield from _unseen_settings(question, said)


def _needs(question: Question, said: Inspection) -> Iterator[_Need]:
    """What the cluster says of each right that the service needs; nothing of topics that are not there."""
    for right in needed(question.settings.kafka.group, said.inputs, question.outputs):
        facts: GroupFacts | TopicFacts = said.group if right.kind == "group" else said.topics[right.name]
        if isinstance(facts, TopicFacts) and facts.sight not in (Sight.SEEN, Sight.HIDDEN):
            continue
        hidden = facts.hidden if isinstance(facts, GroupFacts) else facts.sight is Sight.HIDDEN
        has = None if facts.operations is None else right.operation in facts.operations
        yield _Need(right, has=False if hidden else has, hidden=hidden)


def _sentence(question: Question, need: _Need) -> str:
    operation, kind, name = need.right
    if kind == "group":
        return f"{question.principal} may not {operation} as consumer group {name}"
    if need.hidden:
        return (
            f"topic {name} does not exist, or {question.principal} may not see it: it needs {operation}, "
            f"which lets it DESCRIBE too"
        )
    return f"{question.principal} may not {operation} {'to' if operation == 'WRITE' else 'from'} topic {name}"


def _grant(question: Question, need: _Need) -> str:
    operation, kind, name = need.right
    return f"kafka-acls --add --allow-principal {question.grantee} --operation {operation.capitalize()} --{kind} {name}"


def _granted(question: Question, needs: list[_Need]) -> Iterator[Finding]:
    if any(need.has is None for need in needs):
        unsure = listed([need.right.name for need in needs if need.has is None])
        yield warning(
            f"this cluster does not tell who may do what ({unsure})",
            "grant READ on inputs and group, and WRITE on outputs; `run` tells if that is not so",
        )
    else:
        group = question.settings.kafka.group
        yield ok(f"{question.principal} may READ the inputs and as consumer group {group}, and WRITE the outputs")


def _unseen_settings(question: Question, said: Inspection) -> Iterator[Finding]:
    """DESCRIBE_CONFIGS is no need of the service, but of this check."""
    seen = [facts for facts in said.topics.values() if facts.sight is Sight.SEEN]
    blind = [facts.name for facts in seen if facts.settings is None]
    if blind:
        yield warning(
            f"the settings of {listed(blind)} may not be read, so sizes, retention and replication rules there are unknown",
            f"kafka-acls --add --allow-principal {question.grantee} --operation DescribeConfigs --topic {min(blind)}"
            f"{' (and so on)' if len(blind) > 1 else ''}; the service itself does without",
        )
