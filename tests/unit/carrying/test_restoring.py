"""The source that gives back originals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stream_guard.carrying.restoring import RestoringSource
from stream_guard.records import Assigned, Intake, Lease, Lost, Record, Signal
from stream_guard.redrive.provenance import redriven, restored
from tests.messages import make_dead_letter

HERE, THERE = Lease("redrive", 0, 1), Lease("chat", 0, 1)


class FakeSource:
    """Tells what it is given, and keeps what it is told."""

    def __init__(self, *signals: Signal) -> None:
        """Starts with these."""
        self.signals = signals
        self.told: list[object] = []

    async def receive(self) -> Sequence[Signal]:
        """All at once."""
        return self.signals

    def grant(self, records: int) -> None:
        """Keeps it."""
        self.told.append(records)

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """Keeps it."""
        self.told.append(offsets)

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """Keeps it."""
        self.told.append((leases, offsets))

    def pause(self, leases: Collection[Lease]) -> None:
        """Keeps it."""
        self.told.append(("pause", *leases))

    def resume(self, leases: Collection[Lease]) -> None:
        """Keeps it."""
        self.told.append(("resume", *leases))

    async def close(self) -> None:
        """Keeps it."""
        self.told.append("closed")


async def test_records_of_the_redrive_topic_are_the_originals_again() -> None:
    """In their places, with the leases that they came under; records of other topics are left alone."""
    original = Record(Lease("calls", 3, 0), 42, None, b"", (("h", b""),), 5)
    sent = redriven(make_dead_letter(), original)
    own, foreign = Record(HERE, 1, sent.value, sent.key, sent.headers, 9), Record(THERE, 8, b"x", headers=sent.headers)
    other = Intake([foreign], 0.5)
    signals = Assigned((HERE, THERE)), Intake([foreign, own], 0.5), other, Lost((HERE,))
    assigned, mixed, untouched, lost = await RestoringSource(FakeSource(*signals), {"redrive": restored}).receive()
    assert (assigned, lost) == (signals[0], signals[3])
    assert untouched is other
    assert isinstance(mixed, Intake)
    assert mixed.seconds == 0.5
    assert mixed.records[0] is foreign
    found = mixed.records[1]
    assert (found.lease, found.offset, found.topic, found.partition, found.origin_offset) == (HERE, 1, "calls", 3, 42)
    assert (found.key, found.value, found.headers, found.timestamp_ms) == (b"", None, original.headers, 5)


async def test_all_else_passes_through() -> None:
    """Credit, offsets and releases are the other source's business."""
    inner = FakeSource()
    source = RestoringSource(inner, {"redrive": restored})
    source.grant(3)
    source.store({HERE: 4})
    source.released([HERE], {HERE: 5})
    source.pause([HERE])
    source.resume([HERE])
    await source.close()
    assert inner.told == [3, {HERE: 4}, ([HERE], {HERE: 5}), ("pause", HERE), ("resume", HERE), "closed"]
