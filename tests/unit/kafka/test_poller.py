from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from stream_guard.errors import InvariantViolated, StartRefused, StreamGuardError
from stream_guard.kafka.mailbox import Mailbox
from stream_guard.kafka.poller import Poller
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Assigned, Halted, Intake, Lost, Signal
from tests.members import LogBook


class ScriptedConsumer:
    """Gives what it was given, in the manner of the client: callbacks run within `poll`."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Keeps the configuration's callbacks."""
        self.error_cb = config["error_cb"]
        self.script: deque[Any] = deque()
        self.calls: list[tuple[str, Any]] = []

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
        return [TopicPartition(p.topic, p.partition, 0) for p in partitions]

    def store_offsets(self, offsets: list[TopicPartition]) -> None:
        """Refused: the client knows that they are gone."""
        self.calls.append(("store", [(p.partition, p.offset) for p in offsets]))
        raise KafkaException(KafkaError(KafkaError._STATE))

    def __getattr__(self, name: str) -> Any:
        """Anything else is noted."""
        return lambda *arguments: self.calls.append((name, arguments))


class Rig:
    """A poller on a scripted consumer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *script: Any, credit: int = 100) -> None:
        """Starts it."""
        monkeypatch.setattr("stream_guard.kafka.poller.Consumer", ScriptedConsumer)
        self.ready, self.log = threading.Event(), LogBook()
        self.mailbox = Mailbox(self.ready.set)
        settings = KafkaSettings(bootstrap="none", group="g", drain_s=0.1)
        self.poller = Poller(settings, self.mailbox, self.log, lambda _: None)
        poller: Any = self.poller
        self.consumer = poller._consumer
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


def test_what_can_not_be_read_halts_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records before it are passed on, none behind it, and other partitions go on; it is told once, paused."""
    broken = KafkaError(KafkaError._BAD_COMPRESSION)
    messages = [
        make_message(0),
        make_message(1, 0, broken),
        make_message(2),
        make_message(0, 1),
        make_message(1, 0, broken),
    ]
    rig = Rig(monkeypatch, *messages)
    assigned, intake, halted = rig.until(3)
    rig.mailbox.close()
    assert isinstance(assigned, Assigned)
    assert isinstance(intake, Intake)
    assert isinstance(halted, Halted)
    assert [(r.partition, r.offset) for r in intake.records] == [(0, 0), (1, 0)]
    assert halted.lease == assigned.leases[0]
    assert "can't be read" in halted.reason
    assert [name for name, _ in rig.consumer.calls if name == "pause"] == ["pause"]


@pytest.mark.parametrize("code", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_refusal_ends_the_poll_thread(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """The pipeline hears of it and the group is left, so that others take over."""
    rig = Rig(monkeypatch, make_message(0, error=KafkaError(code)))
    assert isinstance(rig.failure(), StartRefused)
    assert ("close", ()) in rig.consumer.calls


def test_a_fatal_client_error_ends_the_poll_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of no one partition come by another way and mean the same."""
    rig = Rig(monkeypatch, lambda c: c.error_cb(KafkaError(KafkaError._FENCED, "x", fatal=True)))
    assert "another process took over" in str(rig.failure())


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
