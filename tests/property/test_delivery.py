"""Invariants 1, 2 and 6 on the state machines themselves: whatever the order, through any assignment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.delivery.ledger import Ledgers
from stream_guard.delivery.window import Bounds, Window
from stream_guard.records import Lease

STEPS = st.lists(st.tuples(st.sampled_from(["read", "settle", "settle late", "leave"]), st.integers(0, 9)), max_size=80)


class Assignments:
    """Partition 0 under one lease after another, and what the test knows of each."""

    def __init__(self) -> None:
        """Under the first lease, at offset 0."""
        self.ledgers: Ledgers[int] = Ledgers()
        self.epoch = 0
        self.position = 0
        self.open: set[int] = set()
        self.left: list[tuple[Lease, int]] = []
        self.assign()

    @property
    def lease(self) -> Lease:
        """The lease that is held."""
        return Lease("t", 0, self.epoch)

    def assign(self) -> None:
        """The partition leaves and comes back: it is read again from its lowest open offset."""
        if self.epoch:
            self.left += [(self.lease, offset) for offset in self.ledgers.close([self.lease])]
            self.position = min(self.open, default=self.position)
        self.open.clear()
        self.epoch += 1
        self.ledgers.assign([self.lease])

    def step(self, what: str, number: int) -> None:
        """Reads past a gap, settles one of the open records, or one of a former lease, or loses the lease."""
        if what == "read":
            offset = self.position + number % 3
            self.ledgers.open(self.lease, offset, offset)
            self.open.add(offset)
            self.position = offset + 1
        elif what == "settle" and self.open:
            offset = sorted(self.open)[number % len(self.open)]
            self.open.remove(offset)
            assert self.ledgers.settle(self.lease, offset)
        elif what == "settle late" and self.left:
            assert not self.ledgers.settle(*self.left[number % len(self.left)])
        elif what == "leave":
            self.assign()


@given(STEPS)
def test_a_commit_never_passes_an_unsettled_record(steps: list[tuple[str, int]]) -> None:
    """Whatever settles in whatever order, late acknowledgements and gaps included."""
    assignments = Assignments()
    for step in steps:
        assignments.step(*step)
        committable = assignments.ledgers.committable([assignments.lease]).get(assignments.lease)
        if committable is not None:
            assert committable <= min(assignments.open, default=assignments.position)
        if committable is not None and not assignments.open:
            assert committable == assignments.position
        assert assignments.ledgers.drained() == (not assignments.open)


@given(
    st.integers(1, 50),
    st.integers(100, 2_000),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 100), st.integers(0, 60)), max_size=40),
)
def test_the_window_holds_no_more_than_its_bounds(records: int, size: int, turns: list[tuple[int, int, int]]) -> None:
    """Records and bytes, whatever comes of the credit; and in the end all room is there again."""
    window, credit, held = Window(Bounds(records, size, record_bytes=100)), 0, list[int]()
    for arrive, weight, leave in turns:
        credit += window.credit()
        arriving = min(arrive, credit)
        window.enter(arriving, arriving * weight)
        credit -= arriving
        held += [weight] * arriving
        assert window.records == len(held) <= records
        assert window.bytes == sum(held) <= max(size, 100)
        for _ in range(min(leave, len(held))):
            window.leave(held.pop())
    for weight in held:
        window.leave(weight)
    assert (window.records, window.bytes) == (0, 0)
