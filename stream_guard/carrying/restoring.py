"""A source whose records of our own topics are the originals again: before anything looks at what they hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from stream_guard.delivery.ports import Source
from stream_guard.records import Intake, Lease, Record, Signal


class RestoringSource:
    """`delivery.ports.Source` around another one."""

    def __init__(self, source: Source, restore: Mapping[str, Callable[[Record], Record]]) -> None:
        """`restore` says by topic how the original comes back; those of other topics are the originals."""
        self._source, self._restore = source, restore

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
        restore = self._restore
        if all(record.lease.topic not in restore for record in intake.records):
            return intake
        return intake._replace(
            records=[
                restore[record.lease.topic](record) if record.lease.topic in restore else record
                for record in intake.records
            ]
        )
