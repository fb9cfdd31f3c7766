from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stream_guard.checkup.backlog import judge_backlog, waiting
from stream_guard.checkup.finding import Finding, Severity
from stream_guard.checkup.question import Plan, Question
from stream_guard.kafka.cluster.inspection import GroupFacts, Inspection, Sight
from tests.inspections import (
    DAY_S,
    INPUT,
    NOW,
    make_inspection,
    make_partition,
    make_question,
    make_route,
    make_topic,
    only,
)


def judge(question: Question, said: Inspection) -> list[Finding]:
    """All that is said."""
    return list(judge_backlog(question, said, NOW))


def test_a_first_start_at_the_beginning_says_what_waits() -> None:
    """Records, how far back, and the cases they make; without a rate no time is made up."""
    partitions = [make_partition(0), make_partition(1, begin=50, at=50)]
    found = [
        each.sentence
        for each in judge(make_question(make_route(policies=["spam", "abuse"])), make_inspection(partitions=partitions))
    ]
    assert found[0] == (
        "in: 150 records wait from the beginning, as the group has no offsets, back to 2026-09-21 13:13 UTC (1 h ago)"
    )
    assert found[1].startswith("up to 300 cases to judge; how long that takes depends")
    assert "--rate" in found[1]


def test_a_rate_gives_engine_hours() -> None:
    """Of all engines together, and the time that so many replicas need."""
    question = make_question(plan=Plan(replicas=2, cases_per_s=0.01))
    partitions = [make_partition(number, end=50) for number in range(2)]
    found = judge(question, make_inspection(partitions=partitions))[-1].sentence
    assert found == "up to 100 cases at 0.01 a second: 2.8 engine-hours, 1 h 23 min with 2 replicas"
    small = judge(make_question(plan=Plan(cases_per_s=10.0)), make_inspection())[-1].sentence
    assert "0.0028 engine-hours, 10 s with 1 replica" in small


def test_replicas_without_a_partition_make_nothing_faster() -> None:
    """Of ten planned, one finds something waiting."""
    question = make_question(plan=Plan(replicas=10, cases_per_s=1.0))
    partitions = [make_partition(0), make_partition(1, at=100, oldest_ms=None)]
    found = judge(question, make_inspection(partitions=partitions))[-1].sentence
    assert found.endswith("1 min 40 s with 1 replica")


def test_a_record_belongs_to_one_route() -> None:
    """Where several read a topic, the one with the most policies bounds the cases."""
    routes = [
        make_route(policies=["a"]),
        make_route("more", policies=["a", "b", "c"]),
        make_route("other", pattern="x.*"),
    ]
    (found,) = waiting(make_question(*routes), make_inspection())
    assert (found.records, found.cases) == (100, 300)


def test_a_group_with_offsets_goes_on_there() -> None:
    """`start` is not looked at; nothing waiting is said."""
    partitions = [make_partition(at=100, committed=100, attached=True, oldest_ms=None)]
    found = judge(make_question(kafka={"start": "latest"}), make_inspection(partitions=partitions))
    assert [(each.severity, each.sentence) for each in found] == [
        (Severity.OK, "in: nothing waits, from the group's offsets")
    ]


def test_latest_skips_and_must_be_insisted_on() -> None:
    """The number of records that the first start would not judge."""
    partitions = [make_partition(at=100, oldest_ms=None)]
    (found,) = only(judge(make_question(kafka={"start": "latest"}), make_inspection(partitions=partitions)))
    assert "the first start skips up to 100 records, and is refused until you insist" in found.sentence
    assert "run --attach" in found.advice


def test_a_group_at_work_can_not_be_attached_elsewhere() -> None:
    """Only an idle group takes offsets from outside; from the beginning its members go by themselves."""
    said = make_inspection(group=GroupFacts(members=2, protocol="classic"))
    later = make_question(kafka={"start": datetime(2026, 9, 1, tzinfo=UTC)})
    (found,) = only(judge(later, said), Severity.ERROR)
    assert (
        "guard is at work and has no offsets for in: only an idle group can be attached at 2026-09-01" in found.sentence
    )
    assert only(judge(make_question(), said), Severity.ERROR) == []


def test_offsets_that_retention_overtook_are_an_error() -> None:
    """`run` would halt there: how many are gone, and how to go on."""
    partitions = [make_partition(2, begin=40, at=10, committed=10, attached=True)]
    (found,) = only(judge(make_question(), make_inspection(partitions=partitions)), Severity.ERROR)
    assert found.sentence.startswith("in: up to 30 records of 1 partition were deleted before the group read them")
    assert "kafka-consumer-groups --group guard --topic in:2 --reset-offsets --execute --to-earliest" in found.advice


def test_offsets_beyond_the_end_are_an_error() -> None:
    """The topic was made anew."""
    partitions = [make_partition(at=500, committed=500, attached=True, oldest_ms=None)]
    (found,) = only(judge(make_question(), make_inspection(partitions=partitions)))
    assert (found.severity, "beyond the end of 1 partition" in found.sentence) == (Severity.ERROR, True)


@pytest.mark.parametrize(
    ("age_days", "rate", "words"),
    [
        (8.0, None, "may be deleted at any moment"),
        (6.0, None, "is deleted in 1 d"),
        (3.0, None, None),
        (3.0, 100 / (2 * DAY_S), None),
        (3.0, 100 / (5 * DAY_S), "is deleted in 4 d, and the backlog needs 5 d"),
    ],
)
def test_records_that_are_deleted_before_they_are_read_are_said(
    age_days: float, rate: float | None, words: str | None
) -> None:
    """By the measured rate where there is one, else where little of the retention is left."""
    partitions = [make_partition(oldest_ms=int((NOW - age_days * DAY_S) * 1000))]
    found = only(
        judge(
            make_question(plan=Plan(cases_per_s=rate)),
            make_inspection(make_topic("in", settings=INPUT), partitions=partitions),
        )
    )
    assert [words in each.sentence for each in found] == ([] if words is None else [True])  # type: ignore[operator]


def test_what_can_not_be_known_is_said() -> None:
    """Where the group may not be seen; a topic that does not exist has no backlog."""
    (found,) = judge(make_question(), make_inspection(partitions=()))
    assert (found.severity, "can't be known" in found.sentence) == (Severity.WARNING, True)
    assert judge(make_question(), make_inspection(make_topic("in", sight=Sight.ABSENT), partitions=())) == []
