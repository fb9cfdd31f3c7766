"""A backlog's age is never told younger than it is, whatever is read, settled and looked at when."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.delivery.backlog import Backlogs
from stream_guard.delivery.ledger import Ledger
from stream_guard.records import Extent, Lease

LEASE = Lease("chat", 0, 1)
_STEPS = st.lists(
    st.tuples(st.sampled_from(("write", "read", "settle", "look", "gauge", "marker")), st.integers(0, 10)), max_size=80
)


class Written(NamedTuple):
    """A record, or a marker, which is none."""

    at: float
    record: bool = True


class World:
    """A partition, a member that reads it, and what is true of both. `begin` records stood there before the lease."""

    def __init__(self, before: int, begin: int) -> None:
        self.now = 1_000.0
        self.log = [Written(float(n)) for n in range(before)]
        self.begin = self.position = min(begin, before)
        self.known = self.looked_empty_at = 0.0
        self.looked = False
        self.ledger: Ledger[Written] = Ledger(LEASE)
        self.backlogs = Backlogs()
        self.backlogs.assign([LEASE])

    def write(self, *, record: bool = True) -> None:
        """Something gets an offset."""
        self.log.append(Written(self.now, record))

    def read(self, count: int) -> None:
        """Reads on; whoever comes to the end says so."""
        for offset in range(self.position, min(self.position + count, len(self.log))):
            self.position = offset + 1
            if self.log[offset].record:
                self.ledger.open(offset, self.log[offset])
        if self.position == len(self.log):
            self.backlogs.end(LEASE, self.position)

    def settle(self, number: int) -> None:
        """One of those that are open settles, in any order."""
        if len(self.ledger):
            open_ = [offset for offset, item in enumerate(self.log) if any(item is one for one in self.ledger)]
            self.ledger.settle(open_[number % len(open_)])

    def look(self) -> None:
        """The cluster is asked."""
        age = int(self.log[self.begin].at * 1000) if self.begin < len(self.log) and not self.looked else None
        self.backlogs.extend({LEASE: Extent(len(self.log), self.begin, age)}, self.now)
        self.known, self.looked = len(self.log), True

    def unsettled(self) -> list[Written]:
        """What is left to be done of what was known to be there, in order."""
        unread = self.log[self.position : int(self.known)]
        return [item for item in (*self.ledger, *unread) if item.record]

    def check(self) -> None:
        """Holds what is told against what is true."""
        oldest = self.ledger.oldest
        told = self.backlogs.standing(self.ledger, int(oldest.at * 1000) if oldest else None, self.now)
        left = self.unsettled()
        if not self.looked:
            assert (0 if told is None else told.records) == len(self.ledger)
            return
        assert told is not None
        assert told.records >= len(left)
        if left:
            assert told.lag_s >= self.now - left[0].at - 1e-3
        elif self.position == len(self.log):
            assert told == (0, 0)


@given(st.integers(0, 20), st.integers(0, 20), _STEPS)
def test_no_backlog_is_told_smaller_or_younger_than_it_is(
    before: int, begin: int, steps: list[tuple[str, int]]
) -> None:
    """Of what the cluster was asked about since: at least so many records, at least so old; and nothing where nothing is left."""
    world = World(before, begin)
    for what, number in steps:
        world.now += number
        match what:
            case "write":
                world.write()
            case "marker":
                world.write(record=False)
            case "read":
                world.read(number)
            case "settle":
                world.settle(number)
            case "look":
                world.look()
            case _:
                world.check()
    world.check()
