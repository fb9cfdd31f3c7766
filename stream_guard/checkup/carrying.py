"""What is to be said of the topics of ours that are read: what is redriven, and what is escalated to here. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stream_guard.checkup.finding import Finding, error, ok
from stream_guard.checkup.question import Question
from stream_guard.checkup.topics import creating, leaderless
from stream_guard.checkup.words import counted
from stream_guard.kafka.cluster.inspection import Inspection, Sight


class _Kind(NamedTuple):
    """What such a topic is called, what its records are, and who should write them."""

    section: str
    records: str
    writers: str


_REDRIVE = _Kind("redrive", "redriven", "operators alone should")
_ESCALATION = _Kind("escalation", "escalated", "the deployments alone that escalate should")


def judge_carrying(question: Question, said: Inspection) -> Iterator[Finding]:
    """That they are there, keep what is written to them, and who should write to them. Rights and sizes are judged with the others'."""
    for kind, topic in ((_REDRIVE, question.redrive), (_ESCALATION, question.escalation)):
        if topic is not None:
            yield from _judge(question, said, kind, topic)


def _judge(question: Question, said: Inspection, kind: _Kind, topic: str) -> Iterator[Finding]:
    facts, place = said.topics[topic], question.settings.place(kind.section, "topic")
    if facts.sight is Sight.ABSENT:
        make = f"{creating(question, said, topic)}; `run` never makes topics"
        yield error(f"{kind.section} topic {topic} does not exist", make, place)
    if facts.sight is not Sight.SEEN:
        return
    if facts.leaderless:
        yield error(leaderless(facts), f"bring their brokers back: nothing can be {kind.records} until then")
    if "compact" in str((facts.settings or {}).get("cleanup.policy", "")):
        yield error(
            f"{kind.section} topic {topic} is compacted: of the {kind.records} records of one key, all but the last vanish unread",
            f"set cleanup.policy of {topic} to delete",
            place,
        )
    yield ok(
        f"{kind.section} topic {topic}: {counted(facts.partitions, 'partition')}; whoever may WRITE to it can have anything judged as "
        f"anything: {kind.writers}"
    )
