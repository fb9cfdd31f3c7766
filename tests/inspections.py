"""What tests of the checks share: configurations, and clusters that never were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream_guard.attaching import kafka_settings
from stream_guard.checkup.finding import Finding, Severity
from stream_guard.checkup.question import Plan, Question
from stream_guard.config import Settings
from stream_guard.kafka.cluster.inspection import GroupFacts, Inspection, Sight, TopicFacts
from stream_guard.kafka.cluster.positions import PartitionFacts
from stream_guard.records import TopicPartition

NOW = 1_790_000_000.0
DAY_S = 86_400.0
EVERYTHING = frozenset({"READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"})
OUTPUTS: Mapping[str, Any] = {"verdicts": "verdicts", "rulings": "rulings", "dead_letters": "letters"}
ROOMY: Mapping[str, str] = {
    "max.message.bytes": "2000000",
    "min.insync.replicas": "2",
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "message.timestamp.type": "LogAppendTime",
}
INPUT: Mapping[str, str] = {**ROOMY, "max.message.bytes": "1000000"}
BROKER: Mapping[str, str] = {
    "group.min.session.timeout.ms": "6000",
    "group.max.session.timeout.ms": "1800000",
    "group.consumer.session.timeout.ms": "45000",
    "group.consumer.min.session.timeout.ms": "45000",
    "group.coordinator.rebalance.protocols": "classic,consumer",
}


def make_route(name: str = "chat", **more: Any) -> dict[str, Any]:
    """A route of a configuration; without a topic or pattern of its own it reads `in`."""
    source = {} if "pattern" in more else {"topic": "in"}
    return {"name": name, **source, "judge": ["message"], "policies": ["spam"], "outputs": dict(OUTPUTS), **more}


def make_settings(*routes: Mapping[str, Any], kafka: Mapping[str, Any] | None = None, **more: Any) -> Settings:
    """Settings that nobody wrote in a file."""
    cluster = {"bootstrap_servers": "kafka:9092", "group": "guard", "start": "earliest", **(kafka or {})}
    values = {"kafka": cluster, "engine": {"kind": "scripted"}, "policies": ["policies"]}
    return Settings.model_validate({**values, "routes": list(routes) or [make_route()], **more})


def make_question(*routes: Mapping[str, Any], plan: Plan | None = None, **more: Any) -> Question:
    """What these settings ask of a cluster."""
    settings = make_settings(*routes, **more)
    return Question(settings, kafka_settings(settings), plan or Plan())


def make_topic(name: str, **more: Any) -> TopicFacts:
    """A topic in the best order; an input unless it is called like an output."""
    settings = ROOMY if name in OUTPUTS.values() else INPUT
    facts = {"sight": Sight.SEEN, "partitions": 3, "replicas": 3, "in_sync": 3, "operations": EVERYTHING}
    return TopicFacts(name, **{**facts, "settings": settings, **more})


def make_partition(number: int = 0, topic: str = "in", **more: Any) -> PartitionFacts:
    """A partition of 100 records, the first of them an hour old, that the group has not seen."""
    facts = {"begin": 0, "end": 100, "at": 0, "oldest_ms": int((NOW - 3600) * 1000)}
    return PartitionFacts(TopicPartition(topic, number), **{**facts, **more})


def make_inspection(*topics: TopicFacts, partitions: Sequence[PartitionFacts] | None = None, **more: Any) -> Inspection:
    """A cluster in the best order: `topics` replace those of their name, or are inputs beside `in`."""
    known = {name: make_topic(name) for name in ("in", *OUTPUTS.values())} | {facts.name: facts for facts in topics}
    group = GroupFacts(operations=EVERYTHING, settings={"consumer.session.timeout.ms": "45000"})
    facts = {
        "cluster_id": "cluster",
        "brokers": 3,
        "inputs": tuple(sorted(set(known) - set(OUTPUTS.values()))),
        "topics": known,
        "group": group,
        "broker_settings": BROKER,
        "partitions": tuple([make_partition()] if partitions is None else partitions),
    }
    return Inspection(**{**facts, **more})


def only(findings: Sequence[Finding], *severities: Severity) -> list[Finding]:
    """Those of a severity; without one, all that is not well."""
    wanted = severities or (Severity.WARNING, Severity.ERROR)
    return [found for found in findings if found.severity in wanted]
