"""Both ends of a trial's pipeline: a source that delivers a sample once, and a sink that keeps what it gets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence

from stream_guard.delivery.ports import Output, Report
from stream_guard.records import Assigned, Intake, Lease, Record, Signal
from stream_guard.trial.transcript import Transcript

_AT_ONCE = 16
"""Records delivered together. The bench asks a list policy by policy, and a person wants to see whole records soon."""


class SampleSource:
    """`delivery.ports.Source` over records that are in memory. No group: nothing is committed, and no lease ever leaves."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._waiting = deque(records)
        self._leases: tuple[Lease, ...] = tuple(dict.fromkeys(record.lease for record in records))
        self._credit = 0
        self._granted = asyncio.Event()

    async def receive(self) -> Sequence[Signal]:
        """See the port. First the leases, then the records as credit allows; then nothing for ever."""
        if self._leases:
            leases, self._leases = self._leases, ()
            return [Assigned(leases)]
        while not (self._waiting and self._credit):
            self._granted.clear()
            await self._granted.wait()
        taken = [self._waiting.popleft() for _ in range(min(self._credit, len(self._waiting), _AT_ONCE))]
        self._credit -= len(taken)
        return [Intake(taken)]

    def grant(self, records: int) -> None:
        """See the port."""
        self._credit += records
        self._granted.set()

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """Nothing: a trial commits no offset."""

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """Nothing: no lease ever leaves."""

    def pause(self, leases: Collection[Lease]) -> None:
        """Nothing: a sample ends, and all of it is wanted."""

    def resume(self, leases: Collection[Lease]) -> None:
        """Nothing: it never paused."""

    async def close(self) -> None:
        """Nothing."""


class KeepingSink:
    """`delivery.ports.Sink` that publishes nothing: it acknowledges at once and hands outputs to the transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._reports: list[Report] = []
        self._sent = asyncio.Event()

    def send(self, outputs: Sequence[Output]) -> None:
        """See the port."""
        for output in outputs:
            self._transcript.output(output)
            self._reports.append(Report(output))
        self._sent.set()

    async def reports(self) -> Sequence[Report]:
        """See the port."""
        while not self._reports:
            self._sent.clear()
            await self._sent.wait()
        reports, self._reports = self._reports, []
        return reports

    async def close(self) -> None:
        """Nothing."""
