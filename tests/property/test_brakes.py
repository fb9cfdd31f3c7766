"""Whatever happens to leases, what the source is told of them adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.delivery.brakes import BrakeBounds, Brakes
from stream_guard.delivery.ledger import Ledgers
from stream_guard.delivery.window import Bounds, Window
from stream_guard.records import Lease

LEAD, ROOM = 12, 20
LEASES = [Lease("mail", partition, 1) for partition in range(3)]
steps = st.tuples(
    st.sampled_from(("read", "settle", "settle first", "halt", "release", "end", "turn")),
    st.integers(0, 2),
    st.integers(1, 8),
)


class Source:
    """What the brakes act on."""

    def __init__(self) -> None:
        self.brakes = Brakes(BrakeBounds(lead=LEAD))
        self.window = Window(Bounds(records=ROOM))
        self.ledgers: Ledgers[int] = Ledgers()
        self.ledgers.assign(LEASES)
        self.next = dict.fromkeys(LEASES, 0)
        self.open: dict[Lease, list[int]] = {lease: [] for lease in LEASES}
        self.halted: set[Lease] = set()
        self.paused: set[Lease] = set()
        self.now = 0.0

    def do(self, what: str, lease: Lease, count: int) -> None:
        """One thing happens, to a lease that may have ended."""
        if what == "turn":
            self.turn(count / 10)
        elif not self.ledgers.holds(lease):
            return
        elif what == "read" and lease not in self.paused:
            self._read(lease, min(count, ROOM - self.window.records))
        elif what in {"settle", "settle first"} and self.open[lease]:
            offset = self.open[lease].pop(0 if what == "settle first" else -1)
            self.ledgers.settle(lease, offset)
            self.window.leave(0)
        elif what == "halt":
            self.halted.add(lease)
            self.brakes.halt(lease)
        elif what == "release":
            self.halted.discard(lease)
            self.brakes.release(lease)
        elif what == "end":
            self._end(lease)

    def turn(self, seconds: float) -> None:
        """The end of a turn: each order changes something, and concerns what is held."""
        self.now += seconds
        change = self.brakes.step(self.now, self.window, self.ledgers)
        assert not self.paused & set(change.pause)
        assert set(change.resume) <= self.paused
        self.paused = (self.paused | set(change.pause)) - set(change.resume)
        assert all(map(self.ledgers.holds, self.paused))
        assert self.halted <= self.paused

    def _read(self, lease: Lease, count: int) -> None:
        self.window._credit += count
        self.window.enter(count, 0)
        for _ in range(count):
            self.ledgers.open(lease, self.next[lease], 0)
            self.open[lease].append(self.next[lease])
            self.next[lease] += 1

    def _end(self, lease: Lease) -> None:
        for _ in self.ledgers.close([lease]):
            self.window.leave(0)
        self.open[lease].clear()
        self.brakes.forget([lease])
        self.halted.discard(lease)
        self.paused.discard(lease)


@given(st.lists(steps, max_size=60))
def test_what_the_source_is_told_adds_up(happenings: list[tuple[str, int, int]]) -> None:
    """Nothing is paused twice, no halt is forgotten, too long a lead is seen, and once all is settled all is read."""
    source = Source()
    for what, which, count in happenings:
        source.do(what, LEASES[which], count)
    source.turn(1.0)
    for ledger in source.ledgers:
        assert ledger.lead <= LEAD or ledger.lease in source.paused
        assert ledger.lead <= LEAD + ROOM
    for lease in LEASES:
        while source.open[lease]:
            source.do("settle", lease, 1)
        source.do("release", lease, 1)
    source.turn(1.0)
    assert source.paused == set()
