"""What waits where reading would begin, how far back it goes, and how long the engine would need for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from stream_guard.checkup.finding import Finding, error, ok, warning
from stream_guard.checkup.question import Question
from stream_guard.checkup.topics import retention_s
from stream_guard.checkup.words import counted, listed, span
from stream_guard.kafka.cluster.inspection import Inspection, Sight
from stream_guard.kafka.cluster.positions import PartitionFacts
from stream_guard.records import moment

_TIGHT = 0.25
"""A share of the retention: with less of it left, what waits may be gone before it is read."""


class Waiting(Struct, frozen=True):
    """What waits in one topic. Both counts are upper bounds."""

    topic: str
    records: int
    cases: int
    """Records times the policies that would judge them."""
    oldest_ms: int | None
    attached: bool


def waiting(question: Question, said: Inspection) -> list[Waiting]:
    """What waits, topic by topic."""
    found = []
    for topic, facts in _by_topic(said).items():
        records = sum(fact.waiting for fact in facts)
        oldest = min((fact.oldest_ms for fact in facts if fact.oldest_ms is not None), default=None)
        found.append(Waiting(topic, records, records * question.policies(topic), oldest, facts[0].attached))
    return found


def judge_backlog(question: Question, said: Inspection, now: float) -> Iterator[Finding]:
    """Where the group stands or would begin, topic by topic, then what that asks of the engine. `now` is Unix time."""
    yield from _attach(question, said)
    topics = waiting(question, said)
    for topic in topics:
        yield _topic(question, topic, now)
    yield from _gone(question, said)
    yield from _running_out(question, said, topics, now)
    if not topics and any(said.topics[topic].sight is not Sight.ABSENT for topic in said.inputs):
        yield warning("where reading would begin, and what waits there, can't be known", "see permissions and topics")
    if topics:
        yield from _work(question, sum(topic.cases for topic in topics), _working(question, said))


def _attach(question: Question, said: Inspection) -> Iterator[Finding]:
    """What the first start would do."""
    kafka, group = question.settings.kafka, said.group
    facts = _by_topic(said)
    new = [
        topic for topic, partitions in facts.items() if not partitions[0].attached and topic not in question.carrying
    ]
    if group.members:
        spoken = f" ({group.protocol})" if group.protocol else ""
        yield ok(f"group {kafka.group} is at work: {counted(group.members, 'member')}{spoken}")
    if not new:
        return
    if group.members and kafka.start != "earliest":
        yield error(
            f"group {kafka.group} is at work and has no offsets for {listed(new)}: only an idle group can be attached at "
            f"{_start(question)}",
            "stop its members and start one, or use start: earliest",
            question.settings.place("kafka", "start"),
        )
    elif kafka.start == "latest":
        skipped = sum(fact.end - fact.begin for topic in new for fact in facts[topic])
        yield warning(
            f"group {kafka.group} has no offsets for {listed(new)}, and start is latest: the first start skips up to "
            f"{counted(skipped, 'record')}, and is refused until you insist",
            "start once with `stream-guard run --attach`",
            question.settings.place("kafka", "start"),
        )


def _topic(question: Question, waits: Waiting, now: float) -> Finding:
    start = "the beginning" if waits.topic in question.carrying else _start(question)
    where = "from the group's offsets" if waits.attached else f"from {start}, as the group has no offsets"
    if not waits.records:
        return ok(f"{waits.topic}: nothing waits, {where}")
    age = "" if waits.oldest_ms is None else f", back to {_moment(waits.oldest_ms)} ({_ago(waits.oldest_ms, now)})"
    return ok(f"{waits.topic}: {counted(waits.records, 'record')} wait {where}{age}")


def _gone(question: Question, said: Inspection) -> Iterator[Finding]:
    """Offsets that point to nothing: `run` halts such a partition rather than skip records."""
    for topic, facts in _by_topic(said).items():
        lost = [fact for fact in facts if fact.committed is not None and fact.committed < fact.begin]
        if lost:
            records = sum(fact.begin - fact.at for fact in lost)
            yield error(
                f"{topic}: up to {counted(records, 'record')} of {counted(len(lost), 'partition')} were deleted before the "
                f"group read them: `run` halts there rather than skip them",
                f"if they can be done without: {_reset(question, lost)} --to-earliest",
            )
        beyond = [fact for fact in facts if fact.committed is not None and fact.committed > fact.end]
        if beyond:
            yield error(
                f"{topic}: the group's offsets are beyond the end of {counted(len(beyond), 'partition')}: the topic was made "
                f"anew, or lost records",
                f"say where to go on: {_reset(question, beyond)} --to-earliest (or --to-latest)",
            )


def _reset(question: Question, facts: list[PartitionFacts]) -> str:
    partitions = ",".join(str(fact.where.partition) for fact in facts)
    return (
        f"kafka-consumer-groups --group {question.settings.kafka.group} --topic {facts[0].where.topic}:{partitions} "
        f"--reset-offsets --execute"
    )


def _running_out(question: Question, said: Inspection, topics: list[Waiting], now: float) -> Iterator[Finding]:
    """Records that their topic may delete before they are read."""
    cases_per_s = (question.plan.cases_per_s or 0.0) * _working(question, said)
    needed_s = sum(topic.cases for topic in topics) / cases_per_s if cases_per_s else None
    for topic in topics:
        kept_s = retention_s(said.topics[topic.topic])
        if kept_s is None or topic.oldest_ms is None:
            continue
        left_s = kept_s - (now - topic.oldest_ms / 1000)
        advice = f"raise retention.ms of {topic.topic} until the backlog is judged, or start at a later time"
        if left_s <= 0:
            yield warning(
                f"{topic.topic} keeps records for {span(kept_s)}, and the oldest that waits is older: it may be deleted at any "
                f"moment, before it is read",
                advice,
            )
        elif left_s < (kept_s * _TIGHT if needed_s is None else needed_s):
            need = "" if needed_s is None else f", and the backlog needs {span(needed_s)}"
            yield warning(
                f"{topic.topic} keeps records for {span(kept_s)}: the oldest that waits is deleted in {span(left_s)}{need}",
                advice,
            )


def _work(question: Question, cases: int, replicas: int) -> Iterator[Finding]:
    """The engine's time, only where somebody measured how fast it is."""
    rate = question.plan.cases_per_s
    if not cases:
        return
    if rate is None:
        yield ok(
            f"up to {counted(cases, 'case')} to judge; how long that takes depends on engine and texts: `stream-guard try` "
            f"prints cases per second, `check --live --rate THAT` the engine-hours"
        )
        return
    hours = cases / rate / 3600
    yield ok(
        f"up to {counted(cases, 'case')} at {rate:g} a second: {hours:,.{_digits(hours)}f} engine-hours, "
        f"{span(cases / rate / replicas)} with {counted(replicas, 'replica')}"
    )


def _working(question: Question, said: Inspection) -> int:
    """So many of the planned replicas get a partition in which something waits."""
    busy = sum(bool(fact.waiting) for fact in said.partitions)
    return max(min(question.plan.replicas or 1, busy), 1)


def _digits(number: float) -> int:
    """So many decimals that a small number is not 0."""
    return 1 if number >= 1 else 2 if number >= 0.1 else 4  # noqa: PLR2004 - where decimals begin to matter


def _by_topic(said: Inspection) -> dict[str, list[PartitionFacts]]:
    found: dict[str, list[PartitionFacts]] = {}
    for fact in said.partitions:
        found.setdefault(fact.where.topic, []).append(fact)
    return found


def _start(question: Question) -> str:
    start = question.settings.kafka.start
    if isinstance(start, datetime):
        return f"{start:%Y-%m-%d %H:%M:%S %Z}"
    return {"earliest": "the beginning", "latest": "the end"}[start]


def _moment(milliseconds: int) -> str:
    return f"{moment(milliseconds):%Y-%m-%d %H:%M} UTC"


def _ago(milliseconds: int, now: float) -> str:
    age = now - milliseconds / 1000
    return f"{span(age)} ago" if age > 0 else "in the future"
