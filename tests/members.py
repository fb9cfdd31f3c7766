"""A member of a consumer group for tests: a real source, and a task that receives from it and keeps what came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from stream_guard.errors import StreamGuardError
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.kafka.consumer.source import KafkaSource
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Assigned, Halted, Intake, Lease, Lost, Record, Revoking, Signal


class LogBook:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        """Starts empty."""
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **fields: Any) -> None:
        """Takes a line."""
        self.lines.append((event, fields))

    def events(self) -> list[str]:
        """The names of what was logged."""
        return [event for event, _ in self.lines]


class Member:
    """Receives, and keeps what came.

    Grants `room` anew after every receive (None: the test grants), answers revocations with what it received if `answers`.
    """

    def __init__(self, source: KafkaSource, *, room: int | None, answers: bool) -> None:
        """Starts nothing: see `member`."""
        self.source = source
        self.room = room
        self.answers = answers
        self.signals: list[Signal] = []
        self.failure: StreamGuardError | None = None
        self._credit = 0

    async def run(self) -> None:
        """Receives until it is cancelled or the source fails."""
        try:
            while True:
                if self.room is not None:
                    self.source.grant(self.room - self._credit)
                    self._credit = self.room
                for signal in await self.source.receive():
                    self._take(signal)
        except StreamGuardError as error:
            self.failure = error

    def _take(self, signal: Signal) -> None:
        self.signals.append(signal)
        if isinstance(signal, Intake):
            self._credit -= len(signal.records)
        if isinstance(signal, Revoking) and self.answers:
            self.source.released(signal.leases, self.done(*signal.leases))

    def done(self, *leases: Lease) -> dict[Lease, int]:
        """The offset after the last record received under each lease; those read again for their context don't count."""
        return {r.lease: r.offset + 1 for r in self.records if r.lease in leases and not r.past}

    @property
    def records(self) -> list[Record]:
        """All records, in order."""
        return [r for s in self.signals if isinstance(s, Intake) for r in s.records]

    @property
    def values(self) -> list[bytes | None]:
        """Their values."""
        return [r.value for r in self.records]

    @property
    def held(self) -> set[Lease]:
        """What was assigned and has not been taken away."""
        held: set[Lease] = set()
        for signal in self.signals:
            if isinstance(signal, Assigned):
                held.update(signal.leases)
            elif isinstance(signal, Revoking | Lost):
                held.difference_update(signal.leases)
        return held

    @property
    def halted(self) -> list[Halted]:
        """The partitions that can't be read on."""
        return [s for s in self.signals if isinstance(s, Halted)]

    def of(self, kind: type[Signal]) -> list[Signal]:
        """The signals of one kind."""
        return [s for s in self.signals if isinstance(s, kind)]

    async def until(self, holds: Callable[[], object], seconds: float = 15.0) -> None:
        """Waits until something holds; fails with what came instead."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.failure is None, self.failure
            assert time.monotonic() < deadline, self.signals
            await asyncio.sleep(0.02)


@asynccontextmanager
async def member(
    settings: KafkaSettings, *topics: str, room: int | None = 1000, answers: bool = True, selection: Selection | None = None,
    log: Callable[..., None] | None = None, reread: int = 0,
) -> AsyncIterator[Member]:  # fmt: skip
    """A member that joined and receives; closed at the end. It reads `reread` records again of each partition."""
    source = await KafkaSource.open(
        settings, selection or Selection(names=topics), log=log or LogBook(), reread=lambda _: reread
    )
    joined = Member(source, room=room, answers=answers)
    running = asyncio.create_task(joined.run())
    try:
        yield joined
    finally:
        await source.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
