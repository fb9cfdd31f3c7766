"""What is to be said of the redrive topic. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from stream_guard.checkup.finding import Finding, error, ok
from stream_guard.checkup.question import Question
from stream_guard.checkup.topics import creating, leaderless
from stream_guard.checkup.words import counted
from stream_guard.kafka.cluster.inspection import Inspection, Sight


def judge_redrive(question: Question, said: Inspection) -> Iterator[Finding]:
    """That it is there, keeps what is written to it, and who should write to it. Its rights and its size are judged with the others'."""
    topic = question.redrive
    if topic is None:
        return
    facts, place = said.topics[topic], question.settings.place("redrive", "topic")
    if facts.sight is Sight.ABSENT:
        make = f"{creating(question, said, topic)}; `run` never makes topics"
        yield error(f"redrive topic {topic} does not exist", make, place)
    if facts.sight is not Sight.SEEN:
        return
    if facts.leaderless:
        yield error(leaderless(facts), "bring their brokers back: nothing can be redriven until then")
    if "compact" in str((facts.settings or {}).get("cleanup.policy", "")):
        yield error(
            f"redrive topic {topic} is compacted: of the redriven records of one key, all but the last vanish unread",
            f"set cleanup.policy of {topic} to delete",
            place,
        )
    yield ok(
        f"redrive topic {topic}: {counted(facts.partitions, 'partition')}; whoever may WRITE to it can have anything judged as "
        "anything: operators alone should"
    )
