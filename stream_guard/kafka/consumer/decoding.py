"""A source whose records have their documents: decoded off the event loop, waiting for the schema registry if need be.

While an intake waits, those that came after it queue behind it, so that the order within a lease is kept. What happens to
assignments does not queue: a revoke must not wait for a registry. That a signal overtakes records which came before it is
safe, because it only ever gets ahead:

- an intake whose lease left meanwhile comes after its `Revoking` or `Lost`, as one that crossed it on its way would: the
  pipeline turns its records away, and frees their room. It is delivered all the same, since it used up credit;
- a lease that comes back has another epoch, so what is left of the old one can't be taken for the new one's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from stream_guard.delivery.ports import Source
from stream_guard.errors import RegistryUnavailable
from stream_guard.records import Assigned, Intake, Lease, Lost, Record, Revoking, Signal

MAX_WAIT_S = 10.0
"""The longest time between two tries; they go on for ever."""


Apart: TypeAlias = Callable[[Callable[[Sequence[Record]], list[Record]], Sequence[Record]], Awaitable[list[Record]]]
"""Calls what blocks, apart from the event loop."""


class Decoder(Protocol):
    """Makes documents of values: see `documents.Documents`."""

    def needed(self, topic: str) -> bool:
        """Whether records of this topic need one. Never blocks."""

    def of(self, records: Sequence[Record]) -> list[Record]:
        """The records in order, with their documents. Blocks. Raises RegistryUnavailable."""


class DecodingSource:
    """`delivery.ports.Source` around another one."""

    def __init__(
        self,
        source: Source,
        decoder: Decoder,
        *,
        changed: Callable[[str | None], None],
        max_wait_s: float = MAX_WAIT_S,
        apart: Apart = asyncio.to_thread,
    ) -> None:
        """`changed` is told once why records wait for the registry, and None once they no longer do."""
        self._apart = apart
        self._source, self._decoder, self._changed = source, decoder, changed
        self._max_wait_s = max_wait_s
        self.unavailable: str | None = None
        """Why records wait for the registry, None while none do."""
        self._live: set[Lease] = set()
        self._held: deque[Intake] = deque()
        self._ready: list[Signal] = []
        self._receiving: asyncio.Task[Sequence[Signal]] | None = None
        self._decoding: asyncio.Task[Intake] | None = None

    async def receive(self) -> Sequence[Signal]:
        """See the port. Raises what the other source raises."""
        while not self._ready:
            await self._turn()
        ready, self._ready = self._ready, []
        return ready

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
        """See the port. What waits for the registry was taken before, and is delivered."""
        self._source.pause(leases)

    def resume(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self._source.resume(leases)

    async def close(self) -> None:
        """See the port. What waits is dropped: it was not settled, and is read again."""
        tasks = [task for task in (self._receiving, self._decoding) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()

    async def _turn(self) -> None:
        """Waits until either the other source told something, or the intake that is decoded is done. Cancelled, it loses neither."""
        receiving, decoding = self._tasks()
        await asyncio.wait(
            [receiving] if decoding is None else [receiving, decoding], return_when=asyncio.FIRST_COMPLETED
        )
        if decoding is not None and decoding.done():
            self._decoding = None
            self._ready.append(decoding.result())
            self._held.popleft()
        if receiving.done():
            self._receiving = None
            for signal in receiving.result():
                self._take(signal)

    def _tasks(self) -> tuple[asyncio.Task[Sequence[Signal]], asyncio.Task[Intake] | None]:
        if self._receiving is None:
            self._receiving = asyncio.ensure_future(_received(self._source))
        if self._decoding is None and self._held:
            self._decoding = asyncio.ensure_future(self._decoded(self._held[0]))
        return self._receiving, self._decoding

    def _take(self, signal: Signal) -> None:
        if isinstance(signal, Intake) and (self._held or self._needs_decoding(signal)):
            self._held.append(signal)
            return
        if isinstance(signal, Assigned):
            self._live.update(signal.leases)
        elif isinstance(signal, Revoking | Lost):
            self._live.difference_update(signal.leases)
        self._ready.append(signal)

    def _needs_decoding(self, intake: Intake) -> bool:
        return any(map(self._decoder.needed, {record.topic for record in intake.records}))

    async def _decoded(self, intake: Intake) -> Intake:
        """The intake with its documents, however long the registry takes."""
        tries = AsyncRetrying(
            retry=retry_if_exception_type(RegistryUnavailable),
            wait=wait_random_exponential(multiplier=0.5, max=self._max_wait_s),
            before_sleep=self._note,
            sleep=asyncio.sleep,
        )
        decoded: Intake = await tries(self._decode, intake)
        self._tell(None)
        return decoded

    async def _decode(self, intake: Intake) -> Intake:
        """Leaves alone the records whose lease is leaving or gone: they are turned away unread."""
        live = [record.lease in self._live for record in intake.records]
        if not any(live):
            return intake
        wanted = [record for record, is_live in zip(intake.records, live, strict=True) if is_live]
        decoded = iter(await self._apart(self._decoder.of, wanted))
        records = [next(decoded) if is_live else record for record, is_live in zip(intake.records, live, strict=True)]
        return intake._replace(records=records)

    def _note(self, state: RetryCallState) -> None:
        error: Any = state.outcome.exception() if state.outcome else None
        self._tell(str(error))

    def _tell(self, reason: str | None) -> None:
        """Tells of a change between waiting and not; another reason for the same wait is kept, not told."""
        changed = (reason is None) != (self.unavailable is None)
        self.unavailable = reason
        if changed:
            self._changed(reason)


async def _received(source: Source) -> Sequence[Signal]:
    return await source.receive()
