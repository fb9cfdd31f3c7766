"""What is to be said of the topics that are read and written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from stream_guard.checkup.finding import Finding, error, ok, warning
from stream_guard.checkup.question import Question
from stream_guard.checkup.words import counted, listed, span
from stream_guard.config.route import RouteSettings
from stream_guard.errors import Place
from stream_guard.kafka.cluster.inspection import Inspection, Sight, TopicFacts
from stream_guard.kafka.cluster.topics import DEAD_LETTER_ROOM, misfits

_SAFE = "replication factor 3 and min.insync.replicas=2 let one broker fail without losing outputs"
_EVER = -1
_REPLICAS = 3
"""Where there are so many brokers."""


def judge_topics(question: Question, said: Inspection) -> Iterator[Finding]:
    """Inputs, then outputs."""
    yield from _patterns(question, said)
    yield from _inputs(question, said)
    yield from _replicas(question, said)
    yield from _timestamps(question, said)
    yield from _outputs(question, said)


def _patterns(question: Question, said: Inspection) -> Iterator[Finding]:
    for route in question.settings.routes:
        if route.pattern is None or not route.subscribe:
            continue
        seen = [topic for topic in said.inputs if said.topics[topic].sight is Sight.SEEN]
        matched = [topic for topic in seen if route in question.readers(topic)]
        if matched:
            yield ok(f"route {route.name} reads {counted(len(matched), 'topic')} now: {listed(matched)}")
        else:
            yield warning(
                f"route {route.name}: no topic that {question.principal} may DESCRIBE matches {route.pattern.pattern} now",
                "grant READ on what it should match; topics that come later are read from their beginning",
                question.settings.place("routes", question.settings.routes.index(route), "pattern"),
            )


def _inputs(question: Question, said: Inspection) -> Iterator[Finding]:
    for topic in question.foreign(said.inputs):
        facts = said.topics[topic]
        if facts.sight is Sight.ABSENT:
            yield warning(
                f"input topic {topic} does not exist",
                "check its name; once it exists, it is read from its beginning",
                _place(question, topic),
            )
        elif facts.leaderless:
            yield error(leaderless(facts), "bring their brokers back: nothing can be read there until then")
        elif facts.sight is Sight.SEEN:
            yield ok(f"input topic {topic}: {counted(facts.partitions, 'partition')}")


def _replicas(question: Question, said: Inspection) -> Iterator[Finding]:
    """Each partition is read by one member: more members than partitions do nothing."""
    replicas = question.plan.replicas
    partitions = sum(said.topics[topic].partitions for topic in question.foreign(said.inputs))
    if replicas is None or not partitions:
        return
    if partitions < replicas:
        yield warning(
            f"{counted(replicas, 'replica')} are planned, but the inputs have {counted(partitions, 'partition')} "
            f"together: replicas beyond {partitions} stay idle",
            f"plan {partitions}, or ask the topics' owners for more partitions (which moves keys between partitions)",
        )
    else:
        yield ok(f"{counted(partitions, 'partition')} for {counted(replicas, 'replica')}: each has work")


def _timestamps(question: Question, said: Inspection) -> Iterator[Finding]:
    for topic, setting, route in _timed(question, said):
        facts = said.topics[topic]
        if (facts.settings or {}).get("message.timestamp.type") == "CreateTime":
            yield ok(f"topic {topic} keeps its producers' timestamps (CreateTime): {setting} trusts their clocks")
        retention = retention_s(facts)
        if setting == "expire_after" and retention is not None and (route.expire_after or 0) >= retention:
            yield warning(
                f"route {route.name}: expire_after ({span(route.expire_after or 0)}) is never reached, as topic {topic} deletes "
                f"records after {span(retention)}",
                "leave expire_after out, or make it shorter",
                question.settings.place("routes", question.settings.routes.index(route), "expire_after"),
            )


def _timed(question: Question, said: Inspection) -> Iterator[tuple[str, str, RouteSettings]]:
    """Each input whose records' time matters to a route, and to which of its settings."""
    for topic in said.inputs:
        for route in question.readers(topic):
            if route.expire_after is not None:
                yield topic, "expire_after", route
            elif route.context is not None:
                yield topic, "context", route


def _outputs(question: Question, said: Inspection) -> Iterator[Finding]:
    outputs = [said.topics[topic] for topic in sorted(question.outputs)]
    seen = [facts for facts in outputs if facts.sight is Sight.SEEN]
    for facts in outputs:
        if facts.sight is Sight.ABSENT:
            yield error(
                f"output topic {facts.name} does not exist",
                f"{creating(question, said, facts.name)}; `run` never makes topics",
            )
    for facts in seen:
        if facts.leaderless:
            yield error(leaderless(facts), "bring their brokers back: nothing can be written there until then")
        yield from _in_sync(facts)
    yield from _weak(seen)
    yield from _cleanup(question, seen)
    too_small = [error(sentence) for sentence in _too_small(question, said)]
    yield from too_small
    if seen and not too_small:
        yield ok(f"{counted(len(seen), 'output topic')} exist: {listed([facts.name for facts in seen], 4)}")


def creating(question: Question, said: Inspection, topic: str) -> str:
    """The command that makes a topic of ours: as many partitions as an input has, and room for a dead letter."""
    partitions = max((said.topics[source].partitions for source in question.foreign(said.inputs)), default=0) or 1
    sources = question.dead_letters(said.inputs).get(topic, set())
    sizes = [size for source in sources if (size := _number(said.topics[source], "max.message.bytes")) is not None]
    beside = question.rooms.get(topic, DEAD_LETTER_ROOM)
    room = f" --config max.message.bytes={max(sizes) + beside}" if sizes else ""
    return (
        f"kafka-topics --create --topic {topic} --partitions {partitions} "
        f"--replication-factor {max(min(said.brokers, _REPLICAS), 1)}{room}"
    )


def _in_sync(facts: TopicFacts) -> Iterator[Finding]:
    """Outputs are written with acks=all: the broker takes none while fewer replicas are in sync than it insists on."""
    least = _number(facts, "min.insync.replicas")
    if least is None:
        return
    if least > facts.replicas:
        yield error(
            f"topic {facts.name} has {counted(facts.replicas, 'replica')}, but min.insync.replicas is {least}: no output "
            f"can ever be acknowledged",
            f"set min.insync.replicas of {facts.name} to at most {max(facts.replicas - 1, 1)}, or give it more replicas",
        )
    elif facts.in_sync < least:
        yield error(
            f"topic {facts.name} has only {counted(facts.in_sync, 'replica')} in sync, but min.insync.replicas is {least}: "
            f"outputs wait until the others are back",
            "look at the brokers",
        )


def _weak(seen: Iterable[TopicFacts]) -> Iterator[Finding]:
    single = _names(seen, lambda facts: facts.replicas == 1)
    if single:
        yield warning(f"{listed(single, 4)}: one replica each, so outputs are lost with its disk", _SAFE)
    alone = _names(seen, lambda facts: facts.replicas > 1 and _number(facts, "min.insync.replicas") == 1)
    if alone:
        yield warning(
            f"{listed(alone, 4)}: min.insync.replicas is 1, so outputs that one broker alone acknowledged are lost with it",
            _SAFE,
        )


def _cleanup(question: Question, seen: Iterable[TopicFacts]) -> Iterator[Finding]:
    """Verdicts and rulings share the source record's key. What quotes users is keyed so that it can be erased."""
    kept = {topic for route in question.settings.routes for topic in (route.outputs.verdicts, route.outputs.rulings)}
    for facts in seen:
        if facts.name in kept and "compact" in str((facts.settings or {}).get("cleanup.policy", "")):
            yield warning(
                f"topic {facts.name} is compacted, and verdicts and rulings carry the source record's key: all but the "
                f"newest one of each key vanish",
                f"set cleanup.policy of {facts.name} to delete",
            )
        if facts.name in question.rooms and "compact" in str((facts.settings or {}).get("cleanup.policy", "")):
            yield error(
                f"topic {facts.name} is compacted, and escalated records carry the source record's key: all but the newest one "
                f"of each key may vanish unread",
                f"set cleanup.policy of {facts.name} to delete",
            )


def _too_small(question: Question, said: Inspection) -> list[str]:
    """The rule of `run`: see kafka/cluster/topics.py."""
    letters = question.dead_letters(said.inputs)
    limits = {topic: _number(facts, "max.message.bytes") for topic, facts in said.topics.items()}
    exist = {topic for topic, facts in said.topics.items() if facts.sight is Sight.SEEN}
    kept = {topic: sources & exist for topic, sources in letters.items() if topic in exist}
    batch, outputs = question.kafka.batch_bytes, question.outputs & exist
    return misfits(outputs, kept, limits, batch, lambda *_, **__: None, question.redrive, question.rooms)


def leaderless(facts: TopicFacts) -> str:
    """A sentence on partitions that nobody leads."""
    return f"topic {facts.name} has {counted(facts.leaderless, 'partition')} without a leader"


def _names(facts: Iterable[TopicFacts], holds: Callable[[TopicFacts], bool]) -> list[str]:
    return [each.name for each in facts if holds(each)]


def _number(facts: TopicFacts, setting: str) -> int | None:
    value = (facts.settings or {}).get(setting)
    return None if value is None else int(value)


def retention_s(facts: TopicFacts) -> float | None:
    """How long records are kept, in seconds; None where for ever, or where nobody may know."""
    milliseconds = _number(facts, "retention.ms")
    deletes = "delete" in str((facts.settings or {}).get("cleanup.policy", "delete"))
    return None if milliseconds is None or milliseconds == _EVER or not deletes else milliseconds / 1000


def _place(question: Question, topic: str) -> Place:
    routes = question.settings.routes
    return question.settings.place("routes", next(i for i, route in enumerate(routes) if route.topic == topic), "topic")
