"""What Kafka gave us: records, the assignment they came under, and what can happen to an assignment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
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
    topic_id: str | None = None
    """The topic's id (KIP-516): a topic that was made anew under the same name has another. None where the broker has none."""


class Undecodable(Struct, frozen=True, gc=False):
    """The value is not of the format that its topic should hold. `detail` says why, never what stood there."""

    detail: str


class Flaw(StrEnum):
    """In what way a record must not be judged. Its dead letter gives this as its reason."""

    UNREADABLE = "unreadable"
    """The client could not read all of it."""
    POISON = "poison"
    """It brought the process down, more than once, with nothing else in flight: nobody may look into it."""
    UNREADABLE_BATCH = "unreadable_batch"
    """It stands for a batch that can't be read, up to its own offset, or for a value that is too large to be taken in."""
    UNRESTORABLE = "unrestorable"
    """It came by the redrive or the escalation topic, and does not say which record it is."""


class Escalated(Struct, frozen=True, gc=False):
    """What another deployment said of a record for now, and how it is to be judged for good. See `escalation/`."""

    namespace: str
    lane: str
    policy_id: str
    policy_version: str
    revision: int
    document: bytes
    """The policy document itself."""
    view: str
    """What of the event was judged."""
    verdict_id: str
    """The provisional verdict."""
    sequence: int
    """The highest that a verdict of this event under this policy has so far."""
    context: str
    """The lines of the earlier messages that a message was shown with, as they were rendered; mostly empty."""
    context_turns: int
    text_parts: int
    """Of message and context together, as all of what follows."""
    unsupported_parts: tuple[str, ...]
    complete: bool
    """Whether all that was shown is text."""
    context_partial: bool
    """Whether more of them may have been missing."""
    brought_by: Record
    """The record as it lies in the escalation topic: what a dead letter keeps, or else a redrive would not know what to judge."""


class Origin(Struct, frozen=True, gc=False):
    """Where a record stood that is judged once more: it was dead-lettered and is redriven (see `redrive/`), or escalated."""

    cluster: str
    topic: str
    topic_id: str | None
    partition: int
    offset: int
    sent_at_ms: int | None
    """When it was redriven or escalated (Unix time in milliseconds)."""
    subject: str
    """What its verdicts were about: those to come fill the same slots, whatever is made of the record today."""
    replays: int = 0
    """How often it was redriven, this time included."""
    first_failed_at_ms: int | None = None
    """When it was first dead-lettered, if it was."""
    policy_id: str | None = None
    """The policy of the case that failed: it alone is judged again. None where the record as a whole failed."""
    entries: bytes = b"[]"
    """What its ruling said so far: a JSON array of entries."""
    escalated: Escalated | None = None
    """Set where it came by the escalation topic."""


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
    """Why it must not be judged: this is not all of the record, or nobody may look into it. `flaw_kind` says which."""
    document: bytes | Undecodable | None = None
    """The value as JSON, where it was written in another format (Avro, Protobuf, JSON Schema); None where it is read as it is."""
    past: bool = False
    """Read again only to know what came before: it was settled by an earlier lease, and is neither judged nor committed."""
    flaw_kind: Flaw = Flaw.UNREADABLE
    """Means something only where there is a flaw."""
    origin: Origin | None = None
    """Set where it was redriven or escalated. Lease and offset are then those of the topic that brought it: they are what
    settles and is committed. All else is the original's."""

    @property
    def topic(self) -> str:
        """The topic it was written to. It is read from that of the lease, which is another where it has an origin."""
        return self.lease.topic if self.origin is None else self.origin.topic

    @property
    def partition(self) -> int:
        """The partition of `topic` that it was written to."""
        return self.lease.partition if self.origin is None else self.origin.partition

    @property
    def origin_offset(self) -> int:
        """Its offset there."""
        return self.offset if self.origin is None else self.origin.offset

    @property
    def awaited_since_ms(self) -> int | None:
        """Since when a verdict on it is awaited (Unix time): from its timestamp on; where it was redriven or escalated, from then on.

        What is said of how late a verdict may come counts from here.
        """
        return self.timestamp_ms if self.origin is None else self.origin.sent_at_ms

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        size = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += len(name) + len(value or b"")
        return size

    @property
    def weight(self) -> int:
        """Bytes that are kept of it: its size, its document's (a small value may have a large one), and what an escalation carries."""
        size = self.size
        return size + self.beside(size)

    def beside(self, size: int) -> int:
        """Bytes that are kept beside the record's own `size`."""
        document, origin = self.document, self.origin
        more = len(document) if isinstance(document, bytes) else 0
        if origin is not None and origin.escalated is not None:
            more += max(origin.escalated.brought_by.size - size, 0)
        return more

    def __repr__(self) -> str:
        return (
            f"Record({self.lease.topic}[{self.lease.partition}]@{self.offset}, epoch {self.lease.epoch}, {self.size} B)"
        )


class Intake(NamedTuple):
    """The records of one `consume()` call: the micro-batch that flows as a list through decode, route and screen."""

    records: list[Record]
    seconds: float = 0.0
    """How long the call took."""
    ended: Mapping[Lease, int] = MappingProxyType({})
    """Leases that were read to the end of what there was, and the offset there. With these records all below it was handed over: what
    else has an offset there (the marker of a transaction) is no record."""


class Assigned(NamedTuple):
    """Partitions came to this process."""

    leases: tuple[Lease, ...]
    begins: tuple[int | None, ...] = ()
    """The offset of each below which all was settled before; None where it begins at the beginning, or nobody knows."""


class Extent(NamedTuple):
    """What the cluster says of a partition."""

    end: int
    """The offset after its last record that may be read."""
    begin: int | None = None
    """The offset of the first record that was not settled when its lease began; None where that is not known."""
    begin_ms: int | None = None
    """About when that record was written (Unix time); None where there was none, or nobody can know."""


class Extents(NamedTuple):
    """How far partitions reach; `asked_at` is Unix time in seconds. It overtakes records that wait on their way."""

    extents: Mapping[Lease, Extent]
    asked_at: float


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


Signal: TypeAlias = Intake | Assigned | Revoking | Lost | Halted | Extents
"""What a source tells the pipeline, in the order in which it happened."""
