"""Whose outputs may go out now, where a route publishes in the order of its records. A state machine without I/O or clock.

On a route with `ordering: key`, the outputs of a hearing are held until every earlier hearing of the same lease and key is
settled. Settled, not sent: an output that was not written is sent again later, so the producer alone keeps no order.

- Judging is not held up, only publishing; nor is any other key, by whatever keeps the first of this one.
- A dead-lettered record has its turn, as its ruling has. An ignored one publishes nothing and is not waited for.
- A record without a key has nothing to be in order with: each is as if it had a key of its own.
- What is held belongs to hearings in the window, and is bounded with it.
- A key is what stands in the record, whichever ordered route of the topic the record belongs to.
- A redriven record is in order with what is redriven, not with what it once stood among.

The promise outlasts a lease: what is committed was acknowledged, so whoever reads on begins behind it. Read again after a crash,
records are published again, in order again: a subscriber may see 1 2 3 2 3 4. What a subscriber sees of a key for the first
time is in order, always.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ports import Output
from stream_guard.errors import InvariantViolated
from stream_guard.events.outcome import Ignored
from stream_guard.records import Lease
from stream_guard.routing import Ordering

_Queue: TypeAlias = OrderedDict[int, list[Output]]
"""What is held for each unsettled record of a key, by its offset; nothing ever is for the first."""


class Turns:
    """A queue of open hearings for each lease and key. Hearings of unordered routes pass by at the cost of a look."""

    def __init__(self) -> None:
        self._queues: dict[Lease, dict[bytes, _Queue]] = {}

    def open(self, hearing: Hearing) -> None:
        """A hearing takes its place behind the earlier ones of its key. Call in the order of offsets, before it publishes."""
        route, record = hearing.route, hearing.record
        if route is None or route.ordering is Ordering.NONE:
            return
        if record.key is None or isinstance(hearing.outcome, Ignored):
            return
        hearing.ordered = True
        self._queues.setdefault(record.lease, {}).setdefault(record.key, OrderedDict())[record.offset] = []

    def due(self, hearing: Hearing, outputs: Sequence[Output]) -> Sequence[Output]:
        """Which of a hearing's new outputs may go out now: all, or none yet. None ever where its lease is gone."""
        if not hearing.ordered:
            return outputs
        queue, offset = self._queue(hearing), hearing.record.offset
        if queue is None:
            return ()
        if next(iter(queue)) == offset:
            return outputs
        queue[offset].extend(outputs)
        return ()

    def settled(self, hearing: Hearing) -> Sequence[Output]:
        """A hearing is settled: what the next of its key has made so far may go out. Raises InvariantViolated out of turn."""
        if not hearing.ordered or (queue := self._queue(hearing)) is None:
            return ()
        if queue.popitem(last=False)[0] != hearing.record.offset:
            raise InvariantViolated(f"{hearing!r} settled before its turn")
        if not queue:
            self._end(hearing)
            return ()
        first = next(iter(queue))
        held, queue[first] = queue[first], []
        return held

    def forget(self, leases: Iterable[Lease]) -> None:
        """Leases end, and what is held of them: whoever holds the partitions next judges and publishes it."""
        for lease in leases:
            self._queues.pop(lease, None)

    def _queue(self, hearing: Hearing) -> _Queue | None:
        return self._queues.get(hearing.record.lease, _NONE).get(hearing.record.key or b"")

    def _end(self, hearing: Hearing) -> None:
        keys = self._queues[hearing.record.lease]
        del keys[hearing.record.key or b""]
        if not keys:
            del self._queues[hearing.record.lease]

    def __len__(self) -> int:
        """How many hearings have a place in a queue."""
        return sum(len(queue) for keys in self._queues.values() for queue in keys.values())


_NONE: dict[bytes, _Queue] = {}
