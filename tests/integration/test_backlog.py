"""What a member knows of what it does not read: how far partitions reach, since when, and that it has joined."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream_guard.errors import InvariantViolated
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.letters import ages
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.kafka.consumer.survey import Survey
from stream_guard.kafka.settings import GroupProtocol
from stream_guard.records import Extent, Extents, Intake, Lease
from tests.fixtures_kafka import Kafka
from tests.members import Member, member
from tests.published import message
from tests.service import Service, Services, make_flow

pytestmark = pytest.mark.kafka

_HOUR_MS = 3_600_000
_SECOND_MS = 1000


def known(of: Member) -> dict[Lease, Extent]:
    """What the last look found."""
    looks = of.of(Extents)
    last = looks[-1] if looks else Extents({}, 0.0)
    assert isinstance(last, Extents)
    return dict(last.extents)


def ends_of(of: Member) -> dict[int, int]:
    """How far each partition was read to its end, by partition."""
    intakes = (signal for signal in of.signals if isinstance(signal, Intake))
    return {lease.partition: offset for intake in intakes for lease, offset in intake.ended.items()}


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_what_nobody_reads_is_known_with_its_age(kafka: Kafka, protocol: GroupProtocol) -> None:
    """Without any credit: from the committed offset on, as old as the record there; and it grows with the log."""
    topic, written_ms = kafka.topic(2), int(time.time() * 1000) - 2 * _HOUR_MS
    kafka.send(topic, [b"x"] * 5, timestamp=written_ms - _HOUR_MS)
    kafka.send(topic, [b"x"] * 5, timestamp=written_ms)
    settings = kafka.settings(protocol=protocol, survey_s=0.2)
    kafka.commit(settings.group, topic, {0: 5})
    async with member(settings, topic, room=None) as paused:
        await paused.until(lambda: len(known(paused)) == 2)
        first, second = (known(paused)[lease] for lease in sorted(paused.held))
        looks = [s.extents for s in paused.signals if isinstance(s, Extents)]
        told = [extent.begin_ms for look in looks for lease, extent in look.items() if lease.partition == 0]
        assert (first.end, first.begin) == (10, 5)
        assert (second.end, second.begin) == (0, 0)
        assert told[0] is not None
        assert abs(told[0] - written_ms) < 10 * _SECOND_MS
        kafka.send(topic, [b"x"] * 3)
        await paused.until(lambda: known(paused)[min(paused.held)].end == 13)
        assert not paused.records


async def test_what_ends_in_the_marker_of_a_transaction_was_read_to_its_end(kafka: Kafka) -> None:
    """The marker has an offset and is never read; of a transaction that is open nothing counts."""
    topic = kafka.topic(1)
    producer = Producer({**kafka.own, "transactional.id": kafka.name("writer")})
    producer.init_transactions(30)
    async with member(kafka.settings(survey_s=0.2), topic) as reader:
        producer.begin_transaction()
        producer.produce(topic, b"one")
        producer.produce(topic, b"two")
        producer.flush(30)
        await reader.until(lambda: len(reader.of(Extents)) >= 3)
        assert [extent.end for extent in known(reader).values()] == [0]
        producer.commit_transaction(30)
        await reader.until(lambda: [extent.end for extent in known(reader).values()] == [3])
        await reader.until(lambda: ends_of(reader) == {0: 3})
        assert [record.offset for record in reader.records] == [0, 1]


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_member_that_is_given_no_partition_has_joined_all_the_same(
    kafka: Kafka, protocol: GroupProtocol
) -> None:
    """More replicas than partitions are ready too."""
    topic, settings = kafka.topic(1), kafka.settings(protocol=protocol)
    async with member(settings, topic) as first, member(settings, topic) as second:
        await first.until(lambda: first.source.joined and second.source.joined)
        await first.until(lambda: len(first.held) + len(second.held) == 1)


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_member_whose_pattern_matches_nothing_yet_has_joined_all_the_same(
    kafka: Kafka, protocol: GroupProtocol
) -> None:
    """There is nothing to join for; what comes is read."""
    settings, prefix = kafka.settings(protocol=protocol, refresh_s=0.3), kafka.name("later")
    async with member(settings, selection=Selection(patterns=(re.compile(rf"{prefix}\..*"),))) as early:
        assert early.source.joined
        kafka.send(kafka.topic(1, name=f"{prefix}.new"), [b"x"])
        await early.until(lambda: [record.value for record in early.records] == [b"x"], 40)
        assert early.source.joined


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_topic_that_is_named_before_it_is_made_is_read_once_it_is(
    kafka: Kafka, protocol: GroupProtocol
) -> None:
    """Nothing has to be started again. Under the classic protocol the client joins only then."""
    topic = kafka.name("later")
    async with member(kafka.settings(protocol=protocol), topic) as early:
        kafka.send(kafka.topic(1, name=topic), [b"x"])
        await early.until(lambda: [record.value for record in early.records] == [b"x"], 40)
        assert early.source.joined


async def test_a_bug_in_what_looks_after_the_topics_ends_the_source(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not go unnoticed, as a lag that nobody asks for any more would."""

    async def fails(*_: object) -> None:
        raise KeyError("chat")

    monkeypatch.setattr(Survey, "_look", fails)
    async with member(kafka.settings(), kafka.topic(1)) as reader, asyncio.timeout(30):
        while reader.failure is None:  # noqa: ASYNC110 - a member tells nobody
            await asyncio.sleep(0.02)
        assert isinstance(reader.failure, InvariantViolated)
        assert "chat" not in str(reader.failure)


def test_the_oldest_dead_letter_is_as_old_as_it_is(kafka: Kafka) -> None:
    """Over all partitions; an empty topic is told as empty, one that is not there not at all."""
    letters, empty = kafka.topic(3), kafka.topic(1)
    now_ms = int(time.time() * 1000)
    kafka.send(letters, [b"x"], partition=2, timestamp=now_ms - 3 * _HOUR_MS)
    kafka.send(letters, [b"x"], partition=1, timestamp=now_ms - _HOUR_MS)
    admin = Admin(kafka.settings())
    since = _since(now_ms)
    told = ages(admin, [letters, empty, kafka.name("missing")], 10.0)
    assert told.keys() == {letters, empty}
    assert told[empty] == 0
    assert 3 * 3600 + since <= told[letters] <= 3 * 3600 + _since(now_ms)
    kafka.delete_before(letters, 2, 1)
    since = _since(now_ms)
    assert 3600 + since <= ages(admin, [letters], 10.0)[letters] <= 3600 + _since(now_ms)


def _since(moment_ms: int) -> float:
    """Seconds that have passed since then."""
    return time.time() - moment_ms / 1000


@pytest.fixture
def halted(kafka: Kafka, services: Services, tmp_path: Path) -> Iterator[Service]:
    """A service of which one partition is halted: two records could not be read, eight that can be wait behind them."""
    flow = make_flow(kafka, tmp_path)
    hour_ago = int(time.time() * 1000) - _HOUR_MS
    kafka.send(flow.source, [b"this is no JSON"] * 2, timestamp=hour_ago)
    kafka.send(flow.source, [message(n).value for n in range(8)], timestamp=hour_ago)
    service = services.start(flow.configuration(dead_letters={"max_consecutive": 2}))
    service.until(lambda: service.logged("partition.halted"))
    yield service
    assert service.terminate() == 0


def test_what_waits_behind_a_halt_is_told_and_restarts_nothing(halted: Service) -> None:
    """How many records, how old they are, and how old the oldest dead letter is; the pod is not ready, and lives."""
    halted.until(lambda: halted.count("stream_guard_backlog_records") == 8)
    assert halted.count("stream_guard_lag_seconds") >= 3600
    halted.until(lambda: list(halted.samples("stream_guard_dead_letters_oldest_seconds")))
    assert (halted.unready() or "").startswith("halted: ")
    assert halted.get("/live")[0] == 200
    (policy,) = (labels for labels, _ in halted.samples("stream_guard_policy_info"))
    assert (policy["policy"], policy["revision"]) == ("adverts", "1")
    (served,) = (labels for labels, _ in halted.samples("stream_guard_info"))
    assert served["engine"] == "scripted"
