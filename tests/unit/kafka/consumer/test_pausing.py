from __future__ import annotations

from typing import Any

import pytest

from stream_guard.kafka.consumer.holdings import Holdings
from stream_guard.kafka.consumer.pausing import Pausing
from stream_guard.records import TopicPartition


class Client:
    """Keeps what it was told, as partitions."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[int]]] = []

    def pause(self, positions: list[Any]) -> None:
        """Keeps it."""
        self.told.append(("pause", sorted(p.partition for p in positions)))

    def resume(self, positions: list[Any]) -> None:
        """Keeps it."""
        self.told.append(("resume", sorted(p.partition for p in positions)))


class Rig:
    """Three leases of topic t."""

    def __init__(self) -> None:
        self.client: Any = Client()
        self.holdings = Holdings()
        self.leases = self.holdings.assign((TopicPartition("t", n) for n in range(3)), lambda _: None)
        self.pausing = Pausing(self.holdings)

    def order(self, partition: int, *, paused: bool) -> None:
        """The pipeline says so."""
        self.pausing.hold_back(self.client, {self.leases[partition]: paused})


@pytest.fixture
def rig() -> Rig:
    """Nothing is paused."""
    return Rig()


def test_the_client_is_told_of_changes_only(rig: Rig) -> None:
    """Every call throws away what was fetched ahead."""
    for paused in (True, True, False, False):
        rig.order(1, paused=paused)
    rig.pausing.hold_back(rig.client, {})
    assert rig.client.told == [("pause", [1]), ("resume", [1])]


def test_the_end_of_one_pause_does_not_end_the_other(rig: Rig) -> None:
    """A lease that is held back stays so when there is credit again; one whose time is over waits for credit."""
    rig.order(1, paused=True)
    rig.pausing.pause_everything(rig.client, True)
    rig.order(1, paused=False)
    rig.order(2, paused=True)
    assert rig.pausing.holds_back(rig.leases[2])
    rig.pausing.pause_everything(rig.client, False)
    assert rig.client.told == [("pause", [1]), ("pause", [0, 2]), ("resume", [0, 1])]


def test_a_halted_partition_is_left_as_it_is(rig: Rig) -> None:
    """Whoever halted it paused it, and says when it is read on."""
    rig.holdings.halt(TopicPartition("t", 0))
    rig.order(0, paused=True)
    rig.order(0, paused=False)
    rig.pausing.pause_everything(rig.client, True)
    assert rig.client.told == [("pause", [1, 2])]


def test_a_pause_ends_before_its_lease(rig: Rig) -> None:
    """Resumed right after the next assignment, the client could forget where to begin."""
    rig.order(0, paused=True)
    rig.order(1, paused=True)
    rig.pausing.let_go(rig.client, rig.leases[1:])
    rig.holdings.drop(rig.leases[1:])
    rig.order(1, paused=True)
    assert rig.client.told == [("pause", [0]), ("pause", [1]), ("resume", [1])]


def test_leases_that_end_with_their_consumer_are_forgotten(rig: Rig) -> None:
    """There is nobody to be told."""
    rig.order(0, paused=True)
    rig.pausing.forget(rig.leases)
    assert not rig.pausing.holds_back(rig.leases[0])
    assert rig.client.told == [("pause", [0])]
