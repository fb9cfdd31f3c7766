from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, Message, TopicPartition

from stream_guard.errors import InvariantViolated, StartRefused, StreamGuardError
from stream_guard.kafka.cluster.topic_ids import TopicIds
from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.journal import Entry, Journal, opened
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.poller import Poller
from stream_guard.kafka.consumer.rereading import nothing
from stream_guard.kafka.consumer.rescue import Job
from stream_guard.kafka.credentials import Credentials
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Assigned, Halted, Intake, Lost, Record, Signal
from stream_guard.records import TopicPartition as Where
from tests.members import LogBook

WHERE = Where("t", 0)
EAGER = {"partition.assignment.strategy": "range"}


class ScriptedConsumer:
    """Gives what it was given, in the manner of the client: callbacks run within `poll`."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Keeps the configuration's callbacks."""
        self.error_cb = config["error_cb"]
        self.script: deque[Any] = deque()
        self.calls: list[tuple[str, Any]] = []
        self.bookmarks: list[str | None] = []

    def subscribe(self, topics: list[str], *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        """Keeps the callbacks."""
        self.on_assign, self.on_revoke, self.on_lost = on_assign, on_revoke, on_lost
        self.script.appendleft(lambda _: on_assign(self, [TopicPartition("t", 0), TopicPartition("t", 1)]))

    def poll(self, timeout: float) -> Message | None:
        """The next message; an error is raised, anything callable is called with the consumer."""
        if not self.script:
            time.sleep(0.01)
            return None
        item = self.script.popleft()
        if isinstance(item, Exception):
            raise item
        if isinstance(item, Message):
            return item
        item(self)
        return None

    def consume(self, count: int, timeout: float) -> list[Message]:
        """The messages up to the next thing that is none."""
        found: list[Message] = []
        while len(found) < count and self.script and isinstance(self.script[0], Message):
            found.append(self.script.popleft())
        return found

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        """All have an offset."""
        return [TopicPartition(p.topic, p.partition, self.committed_offset, self.metadata) for p in partitions]

    committed_offset, metadata = 0, ""

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        """There is plenty of everything."""
        return 0, 1000

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Nothing was read yet of partition 1, of the others some."""
        return [TopicPartition(p.topic, p.partition, -1001 if p.partition == 1 else 40) for p in partitions]

    def store_offsets(self, offsets: list[TopicPartition]) -> None:
        """Refused: the client knows that they are gone."""
        self.calls.append(("store", [(p.partition, p.offset) for p in offsets]))
        self.bookmarks += [p.metadata for p in offsets]
        raise KafkaException(KafkaError(KafkaError._STATE))

    def __getattr__(self, name: str) -> Any:
        """Anything else is noted."""
        return lambda *arguments: self.calls.append((name, arguments))


class Rig:
    """A poller on a scripted consumer."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *script: Any,
        credit: int = 100,
        reread: int = 0,
        eager: bool = False,
        credentials: Credentials | None = None,
        journal: Journal | None = None,
        instance_wait_s: float = 75.0,
        topic_id: Callable[[], str | None] = lambda: None,
        known: bool = True,
    ) -> None:
        """Starts it. With `reread`, all partitions are committed at 10."""
        monkeypatch.setattr("stream_guard.kafka.consumer.poller.Consumer", ScriptedConsumer)
        monkeypatch.setattr("stream_guard.kafka.consumer.poller.Rescue", ScriptedRescue)
        self.ready, self.log, self.known = threading.Event(), LogBook(), known
        self.mailbox = Mailbox(self.ready.set)
        settings = KafkaSettings(bootstrap="none", group="g", drain_s=0.1, consumer=EAGER if eager else {},
                                 credentials=credentials, instance_wait_s=instance_wait_s)  # fmt: skip
        ids = TopicIds(lambda topics: dict.fromkeys(topics, topic_id()) if self.known else {}, lambda: "cluster")
        self.poller = Poller(
            settings, self.mailbox, self.log, ids, (lambda _: reread) if reread else nothing,
            Isolation(journal, self.log), 1_000,
        )  # fmt: skip
        poller: Any = self.poller
        self.consumer = poller._consumer
        self.consumer.committed_offset = 10 if reread else 0
        self.consumer.script.extend(script)
        self.mailbox.subscribe(["t"])
        self.mailbox.grant(credit)
        self.poller.start()
        self.signals: list[Signal] = []

    def until(self, count: int) -> list[Signal]:
        """The first `count` signals."""
        deadline = time.monotonic() + 5
        while len(self.signals) < count and time.monotonic() < deadline:
            self.ready.wait(0.05)
            self.ready.clear()
            self.signals += self.mailbox.collect()
        return self.signals

    def failure(self) -> StreamGuardError:
        """What ended the poll thread."""
        assert self.poller.join(5)
        while True:
            try:
                self.mailbox.collect()
            except StreamGuardError as failure:
                return failure


def make_message(offset: int, partition: int = 0, error: KafkaError | None = None) -> Message:
    """A message of topic t."""
    return Message(topic="t", partition=partition, offset=offset, value=b"v", timestamp=(1, 1), error=error)


class ScriptedRescue:
    """Reads two records from where it begins, or up to the end of its job."""

    def __init__(self, job: Job, _: Any, log: LogBook) -> None:
        """Says what it was asked for."""
        log("rescue.job", begin=job.begin, until=job.until)
        self.job, self.reached = job, job.begin
        self._until = job.begin + 2 if job.until is None else job.until

    @property
    def next(self) -> int:
        """The offset that follows what was taken."""
        return self.reached

    @property
    def done(self) -> bool:
        """Whether all was taken."""
        return self.reached >= self._until

    def waiting(self) -> Record | None:
        """The next record."""
        return None if self.done else Record(self.job.lease, self.reached, b"apart")

    def take(self) -> Record:
        """Takes it."""
        self.reached += 1
        return Record(self.job.lease, self.reached - 1, b"apart")

    def stop(self) -> None:
        """Nothing to stop."""


def test_what_can_not_be_read_is_read_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records before it are passed on, then those read apart; then the consumer reads on behind them. It is told once."""
    broken = KafkaError(KafkaError._BAD_COMPRESSION)
    messages = [
        make_message(0),
        make_message(1, 0, broken),
        make_message(2),
        make_message(0, 1),
        make_message(1, 0, broken),
    ]
    rig = Rig(monkeypatch, *messages)
    assigned, intake, apart = rig.until(3)
    until_called(rig, "incremental_assign", times=2)
    rig.mailbox.close()
    assert isinstance(assigned, Assigned)
    assert isinstance(intake, Intake)
    assert isinstance(apart, Intake)
    assert [(r.partition, r.offset) for r in intake.records] == [(0, 0), (1, 0)]
    assert [(r.lease, r.offset, r.value) for r in apart.records] == [
        (assigned.leases[0], 1, b"apart"),
        (assigned.leases[0], 2, b"apart"),
    ]
    assert calls(rig, "pause", "resume", "incremental_unassign", "incremental_assign")[2:] == [
        ("pause", [(0, -1001)]),
        ("resume", [(0, -1001)]),
        ("incremental_unassign", [(0, -1001)]),
        ("incremental_assign", [(0, 3)]),
    ]


def make_suspecting_journal(folder: Path) -> Journal:
    """Says that the process ended with these records in flight, for the second time."""
    journal = opened(folder, "cluster", "g", LogBook())
    assert journal is not None
    journal.put(WHERE, Entry(held=True, low=0, high=1, first=0, last=5, ends=1))
    return journal


def test_suspects_are_taken_one_at_a_time_and_nothing_beside_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The next one only once the last was stored; other partitions wait meanwhile."""
    journal = make_suspecting_journal(tmp_path)
    rig = Rig(monkeypatch, make_message(0, 1), make_message(1, 1), journal=journal)
    assigned, first = rig.until(2)
    assert isinstance(assigned, Assigned)
    assert isinstance(first, Intake)
    lease = assigned.leases[0]
    assert [(r.lease, r.offset) for r in first.records] == [(lease, 0)]
    time.sleep(0.2)
    assert len(rig.until(2)) == 2
    rig.mailbox.store({lease: 1})
    second = rig.until(3)[-1]
    assert isinstance(second, Intake)
    assert [(r.lease, r.offset) for r in second.records] == [(lease, 1)]
    assert journal.entries[WHERE].alone
    rig.mailbox.store({lease: 2})
    rest = [r for signal in rig.until(5)[3:] if isinstance(signal, Intake) for r in signal.records]
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert {(r.partition, r.offset) for r in rest} <= {(0, 2), (0, 3), (1, 0), (1, 1)}
    assert calls(rig, "incremental_assign")[0] == ("incremental_assign", [(0, -1), (1, -1001)])


@pytest.mark.parametrize("code", [KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.UNSUPPORTED_ASSIGNOR])
def test_a_refusal_ends_the_poll_thread(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """The pipeline hears of it and the group is left, so that others take over."""
    rig = Rig(monkeypatch, make_message(0, error=KafkaError(code)))
    assert isinstance(rig.failure(), StartRefused)
    assert ("close", ()) in rig.consumer.calls


def test_a_fatal_client_error_ends_the_poll_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of no one partition come by another way and mean the same."""
    rig = Rig(monkeypatch, lambda c: c.error_cb(KafkaError(KafkaError._FENCED, "x", fatal=True)))
    assert "another process joined under this kafka.instance_id" in str(rig.failure())


@pytest.mark.parametrize(("patience_s", "joins"), [(75.0, True), (0.0, False)])
def test_an_instance_id_that_is_held_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, patience_s: float, joins: bool
) -> None:
    """A fatal error ends the client: another one joins in its place, until patience is out."""
    monkeypatch.setattr("stream_guard.kafka.consumer.poller._JOIN_AGAIN_S", 0.0)
    words = KafkaError(KafkaError.UNRELEASED_INSTANCE_ID).str()
    held = make_message(-1001, error=KafkaError(KafkaError._FATAL, f"Fatal error: {words}"))
    rig = Rig(monkeypatch, held, instance_wait_s=patience_s)
    if joins:
        rig.until(3)
        assert rig.poller._consumer is not rig.consumer
        assert rig.log.events()[0] == "kafka.instance_held"
        rig.mailbox.close()
        assert rig.poller.join(5)
    else:
        assert "another process is a member under this kafka.instance_id" in str(rig.failure())


def test_an_error_of_the_client_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor's exception never leaves; its cause is kept."""
    failure = Rig(monkeypatch, KafkaException(KafkaError(KafkaError._STATE, "odd"))).failure()
    assert isinstance(failure, StartRefused)
    assert isinstance(failure.__cause__, KafkaException)


def test_a_bug_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the thread reaches the pipeline as a broken promise."""
    failure = Rig(monkeypatch, ZeroDivisionError("bug")).failure()
    assert isinstance(failure, InvariantViolated)
    assert isinstance(failure.__cause__, ZeroDivisionError)


def test_transient_errors_are_logged_and_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client goes on by itself: no signal, no end."""
    down = KafkaError(KafkaError._ALL_BROKERS_DOWN)
    missing = make_message(0, error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    rig = Rig(monkeypatch, lambda c: c.error_cb(down), missing, make_message(0))
    assert isinstance(rig.until(2)[-1], Intake)
    rig.mailbox.close()
    assert {"kafka.error", "kafka.client_error"} <= set(rig.log.events())


def test_a_store_that_the_client_refuses_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The partition is gone and we learn of it in a moment; a lease that is not held is not even tried."""
    rig = Rig(monkeypatch)
    (assigned,) = rig.until(1)
    assert isinstance(assigned, Assigned)
    lease = assigned.leases[0]
    rig.mailbox.store({lease: 4, lease._replace(epoch=99): 5})
    deadline = time.monotonic() + 5
    while "kafka.store_refused" not in rig.log.events() and time.monotonic() < deadline:
        time.sleep(0.01)
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert ("store", [(0, 4)]) in rig.consumer.calls


def test_a_lost_partition_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored after the loss is not even tried, and the pipeline hears of it."""
    rig = Rig(monkeypatch)
    (assigned,) = rig.until(1)
    assert isinstance(assigned, Assigned)
    rig.consumer.script.append(lambda c: c.on_lost(c, [TopicPartition("t", 0)]))
    assert rig.until(2)[-1] == Lost(assigned.leases[:1])
    rig.mailbox.store({assigned.leases[0]: 3})
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert not [call for call in rig.consumer.calls if call[0] == "store"]


def test_records_that_slip_through_a_pause_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait, are passed on first once there is credit, and not at all where their lease is gone by then."""
    rig = Rig(monkeypatch, credit=0)
    (assigned,) = rig.until(1)
    assert isinstance(assigned, Assigned)
    rig.poller._brake.pause_after_s = 0.0
    deadline = time.monotonic() + 5
    while not rig.poller._brake.paused and time.monotonic() < deadline:
        time.sleep(0.001)
    rig.consumer.script.extend([make_message(0), make_message(0, 1), make_message(1)])
    while len(rig.poller._stash) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    rig.consumer.script.append(lambda c: c.on_lost(c, [TopicPartition("t", 1)]))
    rig.until(2)
    rig.mailbox.grant(100)
    intake = rig.until(3)[-1]
    rig.mailbox.close()
    assert isinstance(intake, Intake)
    assert [(r.partition, r.offset) for r in intake.records] == [(0, 0), (0, 1)]


def test_the_end_of_a_partition_is_told_with_the_records_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By lease; where only a transaction's marker came since, without any. It is no error, and nobody reads of it."""
    end = KafkaError(KafkaError._PARTITION_EOF)
    rig = Rig(monkeypatch, make_message(0), make_message(1), make_message(2, 0, end), make_message(7, 3, end))
    assigned, first = rig.until(2)
    assert isinstance(assigned, Assigned)
    assert isinstance(first, Intake)
    lease = assigned.leases[0]
    assert ([record.offset for record in first.records], first.ended) == ([0, 1], {lease: 2})
    rig.consumer.script.append(make_message(3, 0, end))
    assert rig.until(3)[-1] == Intake([], ANY, {lease: 3})
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert "kafka.error" not in rig.log.events()


def test_an_end_is_not_told_before_what_slipped_through_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those records were read before it and are handed on later: until then they wait, and it must not hide that."""
    end = KafkaError(KafkaError._PARTITION_EOF)
    rig = Rig(monkeypatch, credit=0)
    until_called(rig, "pause")
    rig.consumer.script += [make_message(0), make_message(1), make_message(2, 0, end)]
    deadline = time.monotonic() + 5
    while len(rig.poller._stash) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    rig.mailbox.grant(1)
    signals = rig.until(2)
    assert [(len(s.records), s.ended) for s in signals if isinstance(s, Intake)] == [(1, {})]
    rig.mailbox.grant(1)
    assigned, _, last = rig.until(3)
    assert isinstance(assigned, Assigned)
    assert isinstance(last, Intake)
    assert ([record.offset for record in last.records], last.ended) == ([1], {assigned.leases[0]: 2})


def test_a_member_has_joined_once_it_has_its_share_be_it_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """More members than partitions is no reason not to be ready."""
    joined: list[bool] = []
    made = threading.Event()

    def assign_nothing(consumer: Any, _: list[str], *, on_assign: Any, **__: Any) -> None:
        def told(_: Any) -> None:
            made.wait(5)
            joined.append(rig.poller.joined)
            on_assign(consumer, [])
            joined.append(rig.poller.joined)

        consumer.script.append(told)

    monkeypatch.setattr(ScriptedConsumer, "subscribe", assign_nothing)
    rig = Rig(monkeypatch)
    made.set()
    deadline = time.monotonic() + 5
    while len(joined) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert joined == [False, True]
    assert not rig.mailbox.collect()


def test_it_is_said_where_each_partition_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its committed offset, though what stands before it is read again."""
    (assigned,) = Rig(monkeypatch, reread=3).until(1)
    assert isinstance(assigned, Assigned)
    assert assigned.begins == (10, 10)


def test_a_record_keeps_the_lease_under_which_it_was_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its partition leaves and comes back while more is asked for: under the new lease it would be out of order."""
    moved = [TopicPartition("t", 0)]

    def consume(count: int, timeout: float) -> list[Message]:
        rig.consumer.on_lost(rig.consumer, moved)
        rig.consumer.on_assign(rig.consumer, moved)
        rig.consumer.consume = lambda count, timeout: []
        return [make_message(0)]

    rig = Rig(monkeypatch)
    (assigned,) = rig.until(1)
    assert isinstance(assigned, Assigned)
    rig.consumer.consume = consume
    rig.consumer.script.append(make_message(7))
    _, lost, again, intake = rig.until(4)
    rig.mailbox.close()
    assert isinstance(again, Assigned)
    assert isinstance(intake, Intake)
    assert lost == Lost(assigned.leases[:1])
    assert [(record.lease, record.offset) for record in intake.records] == [
        (assigned.leases[0], 7),
        (again.leases[0], 0),
    ]


def calls(rig: Rig, *names: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """The partitions and offsets of the calls of these names."""
    return [(n, [(p.partition, p.offset) for p in a[0]] if a else []) for n, a in rig.consumer.calls if n in names]


def test_a_partition_begins_before_its_committed_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those records are past, those that follow are not."""
    rig = Rig(monkeypatch, make_message(7), make_message(9), make_message(10), make_message(11), reread=3)
    intake = rig.until(2)[-1]
    rig.mailbox.close()
    assert isinstance(intake, Intake)
    assert [(r.offset, r.past) for r in intake.records] == [(7, True), (9, True), (10, False), (11, False)]
    assert calls(rig, "incremental_assign") == [("incremental_assign", [(0, 7), (1, 7)])]


class Untold(TopicPartition):
    """A partition whose committed offset the broker could not tell just now."""

    error = KafkaError(KafkaError.REQUEST_TIMED_OUT)


@pytest.mark.parametrize("eager", [False, True])
def test_a_partition_whose_offset_was_not_told_waits_and_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, eager: bool
) -> None:
    """Nothing of it is read before it is known where to begin: its offset may be one of a topic that is gone."""
    monkeypatch.setattr("stream_guard.kafka.consumer.rebalancing._ASK_AGAIN_S", 0.01)
    answers = iter([Untold, Untold, TopicPartition])

    def committed(_: Any, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        kind = next(answers)
        return [(kind if p.partition == 0 else TopicPartition)(p.topic, p.partition, -1001) for p in partitions]

    monkeypatch.setattr(ScriptedConsumer, "committed", committed)
    rig = Rig(monkeypatch, make_message(0), make_message(0, 1), eager=eager)
    first, intake, second = rig.until(3)
    rig.consumer.script.append(make_message(3))
    last = rig.until(4)[-1]
    rig.mailbox.close()
    assert isinstance(first, Assigned)
    assert [lease.partition for lease in first.leases] == [1]
    assert isinstance(intake, Intake)
    assert [record.partition for record in intake.records] == [1]
    assert isinstance(second, Assigned)
    assert [lease.partition for lease in second.leases] == [0]
    assert isinstance(last, Intake)
    assert [(record.partition, record.offset) for record in last.records] == [(0, 3)]
    assigned = calls(rig, "assign" if eager else "incremental_assign")
    assert ((0, OFFSET_END) in assigned[0][1], (0, OFFSET_BEGINNING) in assigned[-1][1]) == (True, True)


@pytest.mark.parametrize(
    "code", [KafkaError._BAD_COMPRESSION, KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE]
)
@pytest.mark.parametrize("eager", [False, True])
def test_what_can_not_be_read_again_is_given_up_not_halted(
    monkeypatch: pytest.MonkeyPatch, code: int, eager: bool
) -> None:
    """However often it is told: reading goes on at the committed offset, under a new lease; other partitions go on too."""
    broken = [make_message(8, error=KafkaError(code))] * 2
    rig = Rig(monkeypatch, make_message(7), *broken, make_message(7, 1), reread=3, eager=eager)
    assigned, intake, lost, again = rig.until(4)
    assert isinstance(assigned, Assigned)
    assert isinstance(intake, Intake)
    assert [(r.partition, r.offset) for r in intake.records] == [(0, 7), (1, 7)]
    assert lost == Lost(assigned.leases[:1])
    assert isinstance(again, Assigned)
    assert "kafka.reread_failed" in rig.log.events()
    if eager:
        assert sorted(calls(rig, "assign")[-1][1]) == [(0, 10), (1, 7)]
    else:
        assert calls(rig, "incremental_unassign") == [("incremental_unassign", [(0, -1001)])]
        assert calls(rig, "incremental_assign")[-1] == ("incremental_assign", [(0, 10)])
    rig.consumer.script.extend([make_message(10), make_message(10, error=KafkaError(code))])
    *_, live, last = rig.until(6)
    rig.mailbox.close()
    assert isinstance(live, Intake)
    assert [(r.lease, r.offset, r.past) for r in live.records] == [(again.leases[0], 10, False)]
    assert isinstance(last, Intake if code == KafkaError._BAD_COMPRESSION else Halted)


@pytest.mark.parametrize("eager", [False, True])
def test_a_partition_that_begins_anew_stays_paused(monkeypatch: pytest.MonkeyPatch, eager: bool) -> None:
    """While nothing may be read, and where another was halted."""
    rig = Rig(monkeypatch, credit=0, reread=3, eager=eager)
    rig.until(1)
    rig.poller._brake.pause_after_s = 0.0
    deadline = time.monotonic() + 5
    while not rig.poller._brake.paused and time.monotonic() < deadline:
        time.sleep(0.001)
    rig.consumer.script.append(make_message(8, error=KafkaError(KafkaError._BAD_COMPRESSION)))
    assert isinstance(rig.until(3)[-1], Assigned)
    deadline = time.monotonic() + 5
    while len(calls(rig, "pause")) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    rig.mailbox.close()
    last, before = calls(rig, "pause", "assign", "incremental_assign")[:-3:-1]
    assert (last[0], before[0]) == ("pause", "assign" if eager else "incremental_assign")
    assert {partition for partition, _ in last[1]} == {0, 1}


def test_a_lease_that_left_is_not_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its partition went away in the same turn in which reading it again failed."""
    broken = make_message(8, error=KafkaError(KafkaError._BAD_COMPRESSION))
    rig = Rig(monkeypatch, reread=3)
    (assigned,) = rig.until(1)
    assert isinstance(assigned, Assigned)

    def consume(count: int, timeout: float) -> list[Message]:
        rig.consumer.on_lost(rig.consumer, [TopicPartition("t", 0)])
        return []

    rig.consumer.consume = consume
    rig.consumer.script.append(broken)
    assert rig.until(2)[-1] == Lost(assigned.leases[:1])
    time.sleep(0.05)
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert "kafka.reread_failed" not in rig.log.events()
    assert len(calls(rig, "incremental_assign")) == 1


def rotated(folder: Path, option: str) -> tuple[Credentials, Path]:
    """An option that stands in a file."""
    file = folder / "secret"
    file.write_text("first", encoding="utf-8")
    return Credentials({"sasl.username": file, option: file}), file


def rotate(credentials: Credentials, file: Path) -> None:
    """The file changes, and that is noticed."""
    file.write_text("second", encoding="utf-8")
    credentials.look()
    assert credentials.look()


def until_called(rig: Rig, name: str, times: int = 1) -> list[Any]:
    """Waits for so many calls of this name. Returns the arguments of the last."""
    deadline = time.monotonic() + 5
    while sum(called == name for called, *_ in rig.consumer.calls) < times and time.monotonic() < deadline:
        time.sleep(0.01)
    return list(dict(rig.consumer.calls)[name])


def test_a_new_password_is_told_to_the_consumer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From the poll thread, which alone may touch it; the group does not notice."""
    credentials, file = rotated(tmp_path, "sasl.password")
    rig = Rig(monkeypatch, credentials=credentials)
    rig.until(1)
    rotate(credentials, file)
    assert until_called(rig, "set_sasl_credentials") == ["second", "second"]
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert [name for name, _ in rig.consumer.calls].count("close") == 1


def test_another_consumer_takes_the_place_of_one_whose_certificate_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first leaves the group, the other subscribes to the same topics."""
    credentials, file = rotated(tmp_path, "ssl.key.password")
    rig = Rig(monkeypatch, credentials=credentials)
    rig.until(1)
    rotate(credentials, file)
    until_called(rig, "close")
    assert len(rig.until(3)) == 3, "the other has its partitions"
    assert rig.poller._consumer is not rig.consumer
    assert rig.log.lines[-1] == ("kafka.consumer_renewed", {"left_in_order": True})
    rig.mailbox.close()
    assert rig.poller.join(5)


def test_a_consumer_that_ends_late_takes_nothing_from_its_successor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its partitions are lost once the other takes over; the revocation that it hears of at last is not the other's."""
    monkeypatch.setattr("stream_guard.kafka.consumer.poller._CLOSE_S", 0.0)
    credentials, file = rotated(tmp_path, "ssl.key.password")
    rig = Rig(monkeypatch, credentials=credentials)
    closes, closed = threading.Event(), threading.Event()

    def close() -> None:
        closes.wait(5)
        rig.consumer.on_revoke(rig.consumer, [TopicPartition("t", 0), TopicPartition("t", 1)])
        closed.set()

    rig.consumer.close = close
    (assigned,) = rig.until(1)
    rotate(credentials, file)
    _, lost, again = rig.until(3)
    assert isinstance(assigned, Assigned)
    assert lost == Lost(assigned.leases)
    assert isinstance(again, Assigned)
    closes.set()
    assert closed.wait(5)
    poller: Any = rig.poller
    poller._consumer.script.append(make_message(5))
    intake = rig.until(4)[-1]
    assert isinstance(intake, Intake)
    assert intake.records[0].lease == again.leases[0]
    rig.mailbox.close()
    assert rig.poller.join(5)


def test_a_consumer_that_can_not_be_made_leaves_the_old_one_at_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A certificate without its key must not end a service that works."""
    credentials, file = rotated(tmp_path, "ssl.key.password")
    rig = Rig(monkeypatch, credentials=credentials)
    rig.until(1)

    def refused() -> None:
        raise StartRefused("key and certificate do not match")

    monkeypatch.setattr(rig.poller, "_make", refused)
    rotate(credentials, file)
    deadline = time.monotonic() + 5
    while not rig.log.lines and time.monotonic() < deadline:
        time.sleep(0.01)
    assert rig.log.lines == [("kafka.consumer_kept", {"reason": "key and certificate do not match"})]
    assert rig.poller._consumer is rig.consumer
    rig.mailbox.close()
    assert rig.poller.join(5)


def test_a_partition_that_left_while_paused_is_read_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause of the client outlives the assignment that it was made in: an assignment has to end it."""
    rig = Rig(monkeypatch)
    rig.until(1)
    rig.mailbox.close()
    assert [name for name, _ in rig.consumer.calls if name in ("pause", "resume")] == ["resume"]


def test_a_lease_that_is_held_back_is_paused_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a poll's time; the pause ends before the partition is let go, not after it has come back."""
    rig = Rig(monkeypatch)
    (assigned,) = rig.until(1)
    assert isinstance(assigned, Assigned)
    rig.mailbox.hold_back(assigned.leases[:1], paused=True)
    deadline = time.monotonic() + 5
    while "pause" not in dict(rig.consumer.calls) and time.monotonic() < deadline:
        time.sleep(0.01)
    rig.consumer.script.append(lambda consumer: consumer.on_lost(consumer, [TopicPartition("t", 0)]))
    rig.until(2)
    rig.mailbox.close()
    assert rig.poller.join(5)
    told = [name for name, _ in rig.consumer.calls if name in {"pause", "resume", "incremental_unassign"}]
    assert told == ["resume", "pause", "resume", "incremental_unassign"]


@pytest.mark.parametrize("eager", [False, True])
def test_another_consumer_reads_a_topic_that_was_made_anew(monkeypatch: pytest.MonkeyPatch, eager: bool) -> None:
    """Its old position being gone halts nothing; what was settled of the old topic is committed in its name."""
    current = ["old"]
    rig = Rig(monkeypatch, make_message(7), eager=eager, topic_id=lambda: current[0])
    assigned, _ = rig.until(2)
    assert isinstance(assigned, Assigned)
    first, current[0] = rig.consumer, "new"
    rig.mailbox.store({assigned.leases[0]: 8})
    until_called(rig, "store")
    first.script.append(make_message(8, error=KafkaError(KafkaError._AUTO_OFFSET_RESET)))
    until_called(rig, "close")
    lost, again = rig.until(4)[2:]
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert lost == Lost(assigned.leases)
    assert isinstance(again, Assigned)
    assert [lease.topic_id for lease in again.leases] == ["new", "new"]
    assert set(first.bookmarks) == {"topic-id:cluster:old"}
    assert "kafka.topic_made_anew" in rig.log.events()


def test_a_topic_that_comes_back_under_another_id_is_begun_by_another_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing of it was held when that was noticed: this one would compare its offsets with those of the old topic."""
    current = ["old"]
    rig = Rig(monkeypatch, topic_id=lambda: current[0])
    rig.until(1)
    first, current[0] = rig.consumer, "new"
    first.script.append(lambda c: first.on_lost(c, [TopicPartition("t", 0), TopicPartition("t", 1)]))
    rig.until(2)
    rig.mailbox.suspect_topics(["t"])
    time.sleep(0.3)
    assert "kafka.topic_made_anew" not in rig.log.events()
    first.script.append(lambda c: first.on_assign(c, [TopicPartition("t", 0)]))
    until_called(rig, "close")
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert rig.log.events().count("kafka.topic_made_anew") == 1


def test_a_commit_in_another_topic_than_the_one_that_is_known_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another member may have noticed before this one: its commit counts, and nothing is judged under the id that is gone."""
    current = ["old"]
    rig = Rig(monkeypatch, topic_id=lambda: current[0])
    rig.until(1)
    first, current[0] = rig.consumer, "new"
    first.metadata, first.committed_offset = "topic-id:cluster:new", 5
    first.script.append(lambda c: first.on_lost(c, [TopicPartition("t", 0), TopicPartition("t", 1)]))
    first.script.append(lambda c: first.on_assign(c, [TopicPartition("t", 0)]))
    again = rig.until(3)[2]
    rig.mailbox.close()
    assert rig.poller.join(5)
    assert isinstance(again, Assigned)
    assert [lease.topic_id for lease in again.leases] == ["new"]
    assert calls(rig, "incremental_assign")[1:] == [("incremental_assign", [(0, -1001)])]
    assert "kafka.offset_of_deleted_topic" not in rig.log.events()


def test_what_is_committed_in_a_topic_that_is_gone_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A consumer that never saw that topic begins at the beginning; and what was suspected there is nobody's guilt here."""
    journal = make_suspecting_journal(tmp_path)
    monkeypatch.setattr(ScriptedConsumer, "metadata", "topic-id:cluster:old")
    rig = Rig(monkeypatch, make_message(0), topic_id=lambda: "new", journal=journal)
    assigned, intake = rig.until(2)
    rig.mailbox.close()
    assert isinstance(assigned, Assigned)
    assert isinstance(intake, Intake)
    assert calls(rig, "incremental_assign")[0][1] == [(0, OFFSET_BEGINNING), (1, OFFSET_BEGINNING)]


def test_a_partition_of_a_topic_that_is_not_known_waits_for_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was deleted while it was assigned: nothing of it is read before it is known which topic that is."""
    monkeypatch.setattr("stream_guard.kafka.consumer.rebalancing._ASK_AGAIN_S", 0.01)
    rig = Rig(monkeypatch, make_message(7), known=False)
    until_called(rig, "incremental_assign")
    time.sleep(0.2)
    assert rig.mailbox.collect() == []
    rig.known = True
    (assigned,) = rig.until(1)
    rig.consumer.script.append(make_message(0))
    assigned, intake = rig.until(2)
    rig.mailbox.close()
    assert isinstance(assigned, Assigned)
    assert isinstance(intake, Intake)
    assert [record.offset for record in intake.records] == [0]
    assert "kafka.topic_made_anew" not in rig.log.events()
