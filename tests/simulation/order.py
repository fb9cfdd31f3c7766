"""What `ordering: key` promises: outputs of one key go out in the order of its records, and are first seen in it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from stream_guard.records import Lease, TopicPartition
from tests.simulation.corpus import Fate
from tests.simulation.log import SimRecord

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.oracle import Delivery
    from tests.simulation.world import World

_Turn: TypeAlias = tuple["Member", Lease, bytes]


class Order:
    """Follows each key of the routes that want order: under each lease, and in the logs of what is published."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[_Turn, deque[Delivery]] = {}
        self._told: dict[tuple[TopicPartition, bytes], SimRecord] = {}
        """By key, the last record of which something was published for the first time."""

    def delivered(self, member: Member, lease: Lease, delivery: Delivery) -> None:
        """A record is to have its turn after those that are here already."""
        if (key := self._key(delivery.record)) is not None:
            self._open.setdefault((member, lease, key), deque()).append(delivery)

    def sent(self, member: Member, lease: Lease, record: SimRecord) -> str | None:
        """Why an output must not go out yet: something of an earlier record of its key is not acknowledged."""
        if (key := self._key(record)) is None:
            return None
        turns = self._open[member, lease, key]
        while turns and turns[0].settled and turns[0].record is not record:
            turns.popleft()
            self._world.coverage.met("order", "after another of its key")
        if turns and turns[0].record is record:
            return None
        return f"is published before {turns[0].record if turns else 'nothing'!r}, of the same key, is settled"

    def landed(self, record: SimRecord) -> str | None:
        """Why a record must not be told of for the first time: one before it was not told of in full, or one after it was."""
        if (key := self._key(record)) is None:
            return None
        if record.landed.messages:
            self._world.coverage.met("order", "told again")
            return None
        before = self._told.get((record.tp, key))
        self._told[record.tp, key] = record
        if before is None or (before.offset < record.offset and before.landed.settled):
            return None
        return f"is first seen after {before!r} of the same key"

    def _key(self, record: SimRecord) -> bytes | None:
        """The key that a record is to be in order with, None where there is none."""
        ordered = record.content.route.name in self._world.schedule.ordered
        return record.key if ordered and record.content.fate is not Fate.IGNORED else None
