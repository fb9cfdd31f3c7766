"""What Kafka gave us: records, the assignment they came under, and what can happen to an assignment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from msgspec import Struct

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""Record headers in their order, duplicates kept. A null value is not an empty one."""


_LAST_MS = 253_370_764_800_000
"""The year 9999: a producer may write any number for a timestamp."""


def moment(timestamp_ms: int) -> datetime:
    """The moment of a record's timestamp, in UTC; what lies beyond the calendar counts as its beginning or its end."""
    return datetime.fromtimestamp(min(max(timestamp_ms, 0), _LAST_MS) / 1000, UTC)


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Lease(NamedTuple):
    """One assignment of one partition to this process.

    `epoch` grows by one at every assignment, so that an acknowledgement that arrives after the partition
    went away and came back is never credited to the new assignment.
    """

    topic: str
    partition: int
    epoch: int


class Undecodable(Struct, frozen=True, gc=False):
    """The value is not of the format that its topic should hold. `detail` says why, never what stood there."""

    detail: str


class Record(Struct, frozen=True, gc=False):
    """One record as Kafka gave it. `timestamp_ms` is Unix time in milliseconds, None where Kafka has none."""

    lease: Lease
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp_ms: int | None = None
    timestamp_type: str = "create"
    leader_epoch: int | None = None
    flaw: str = ""
    """Why this is not all of the record, where the client could not read it whole: then it must not be judged."""
    document: bytes | Undecodable | None = None
    """The value as JSON, where it was written in another format (Avro, Protobuf, JSON Schema); None where it is read as it is."""
    past: bool = False
    """Read again only to know what came before: it was settled by an earlier lease, and is neither judged nor committed."""

    @property
    def topic(self) -> str:
        """The topic this record was read from."""
        return self.lease.topic

    @property
    def partition(self) -> int:
        """The partition this record was read from."""
        return self.lease.partition

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        size = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += len(name) + len(value or b"")
        return size

    @property
    def weight(self) -> int:
        """Bytes that are kept of it: its size, and its document's. A small value may have a large document."""
        document = self.document
        return self.size + len(document) if isinstance(document, bytes) else self.size

    def __repr__(self) -> str:
        return (
            f"Record({self.lease.topic}[{self.lease.partition}]@{self.offset}, epoch {self.lease.epoch}, {self.size} B)"
        )


class Intake(NamedTuple):
    """The records of one `consume()` call: the micro-batch that flows as a list through decode, route and screen."""

    records: list[Record]
    seconds: float = 0.0
    """How long the call took."""


class Assigned(NamedTuple):
    """Partitions came to this process."""

    leases: tuple[Lease, ...]


class Revoking(NamedTuple):
    """Partitions are about to leave. The source waits, bounded, for `Source.released(leases)`."""

    leases: tuple[Lease, ...]


class Lost(NamedTuple):
    """Partitions are gone already: another member may own them. Nothing may be stored for them."""

    leases: tuple[Lease, ...]


class Halted(NamedTuple):
    """A partition can't be read on until the operator chooses (its position is out of range, for example)."""

    lease: Lease
    reason: str


Signal: TypeAlias = Intake | Assigned | Revoking | Lost | Halted
"""What a source tells the pipeline, in the order in which it happened."""
