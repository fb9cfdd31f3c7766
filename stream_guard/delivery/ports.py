"""The two ports to Kafka: where records come from and where outputs go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from stream_guard.records import Headers, Lease, Signal


class Output(Struct, frozen=True):
    """One record to publish. `receipt` comes back untouched with the report on it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    receipt: object

    def __repr__(self) -> str:
        return f"Output({self.topic}, {len(self.value or b'')} B)"


class Report(Struct, frozen=True):
    """How one output ended: acknowledged (`error` is None) or not written. `retriable` says whether sending again can help."""

    output: Output
    error: str | None = None
    retriable: bool = True


class Source(Protocol):
    """Where records come from: one member of a consumer group."""

    async def receive(self) -> Sequence[Signal]:
        """Waits for at least one signal, returns all there are, in order. One caller at a time.

        Raises StartRefused where the group can't go on as configured.
        """

    def grant(self, records: int) -> None:
        """Adds credit: room for so many more records. Without credit the source takes none but stays a member.

        Every record that is delivered in an Intake uses up one, whether or not its lease still stands; a record that the
        source drops by itself (its partition left before it was delivered) gives its credit back inside the source.
        """

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """Makes offsets ready to be committed. Ignored for a lease that is no longer held."""

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """Answers `Revoking`: what of these leases could be settled is; `offsets` are stored before the leases go."""

    def pause(self, leases: Collection[Lease]) -> None:
        """Takes no more records of these leases, which stay assigned; what is on its way already is still delivered.

        It lasts until `resume` or the end of the lease, through any rebalance. Not for short waits: a client may throw away
        what it has fetched ahead. Ignored for a lease that is no longer held.
        """

    def resume(self, leases: Collection[Lease]) -> None:
        """Takes records of these leases again, from where it stopped. Ignored for those that are not paused or not held."""

    async def close(self) -> None:
        """Commits what is stored and leaves the group."""


class Sink(Protocol):
    """Where outputs go. Idempotent, acknowledged by all in-sync replicas, in order per key and topic."""

    def send(self, outputs: Sequence[Output]) -> None:
        """Takes outputs. Never blocks, never raises: whatever becomes of an output is a report, exactly one."""

    async def reports(self) -> Sequence[Report]:
        """Waits for at least one report, returns all there are. One caller at a time."""

    async def close(self) -> None:
        """Waits, bounded, for what is still under way, then lets go."""
