"""A source whose records of the redrive topic are the originals again: before anything looks at what they hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stream_guard.delivery.ports import Source
from stream_guard.records import Intake, Lease, Signal
from stream_guard.redrive.provenance import restored


class RestoringSource:
    """`delivery.ports.Source` around another one."""

    def __init__(self, source: Source, topic: str) -> None:
        """`topic` is the redrive topic."""
        self._source, self._topic = source, topic

    async def receive(self) -> Sequence[Signal]:
        """See the port. Raises what the other source raises."""
        return [
            self._restored(signal) if isinstance(signal, Intake) else signal for signal in await self._source.receive()
        ]

    def grant(self, records: int) -> None:
        """See the port."""
        self._source.grant(records)

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """See the port."""
        self._source.store(offsets)

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """See the port."""
        self._source.released(leases, offsets)

    def pause(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self._source.pause(leases)

    def resume(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self._source.resume(leases)

    async def close(self) -> None:
        """See the port."""
        await self._source.close()

    def _restored(self, intake: Intake) -> Intake:
        """Record by record: what one of them is has nothing to do with the others."""
        if all(record.lease.topic != self._topic for record in intake.records):
            return intake
        return intake._replace(
            records=[restored(record) if record.lease.topic == self._topic else record for record in intake.records]
        )
