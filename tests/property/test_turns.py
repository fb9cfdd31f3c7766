"""The order of a key, whatever completes in whatever order, fails, or is read again."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.ports import Output
from stream_guard.delivery.turns import Turns
from stream_guard.records import Lease
from stream_guard.routing import Ordering
from tests.cases import make_record, make_route

ROUTE = make_route(ordering=Ordering.KEY)
KEYS = (b"a", b"b", b"a", None, b"", b"a", b"b")
"""Of the records in turn."""
OUTPUTS = 3
"""What each hearing publishes before it may settle."""

STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "make", "make", "acknowledge", "acknowledge", "fail", "crash"]), st.integers(0, 99)),
    min_size=60, max_size=150,
)  # fmt: skip
"""Long ones: without a bound from below most would end before anything waits."""


class Member:
    """One partition under one lease after another; the log of the outputs' topic; what is under way."""

    def __init__(self) -> None:
        """At offset 0."""
        self.turns = Turns()
        self.epoch = 1
        self.position = 0
        self.end = 0
        """The offset after the last record that was ever read."""
        self.open: dict[int, Hearing] = {}
        self.made: dict[int, int] = {}
        self.under_way: list[Output] = []
        self.log: list[tuple[int, bytes | None, int]] = []
        """Epoch, key and offset of what was acknowledged."""

    def read(self) -> None:
        """The next record."""
        offset, key = self.position, KEYS[self.position % len(KEYS)]
        hearing = Hearing(make_record(offset=offset, key=key, lease=Lease("t", 0, self.epoch)), 1, None, 0.0, 0)
        hearing.route = ROUTE
        self.open[offset], self.made[offset] = hearing, 0
        self.turns.open(hearing)
        self.position += 1
        self.end = max(self.end, self.position)

    def make(self, number: int) -> None:
        """Some open record makes an output: out at once where no earlier one of its key is open, held where one is."""
        unmade = [offset for offset, count in self.made.items() if count < OUTPUTS]
        if not unmade:
            return
        offset = unmade[number % len(unmade)]
        hearing = self.open[offset]
        key = hearing.record.key
        self.made[offset] += 1
        hearing.awaited_acks += 1
        hearing.ruled = self.made[offset] == OUTPUTS
        due = self.turns.due(hearing, [Output("rulings", key, b"", (), Receipt(hearing))])
        waits = key is not None and any(o < offset and h.record.key == key for o, h in self.open.items())
        assert len(due) == (0 if waits else 1)
        self.under_way.extend(due)

    def acknowledge(self, number: int) -> None:
        """Any of what is under way is written: the order of the producer counts for nothing here."""
        if not self.under_way:
            return
        output = self.under_way.pop(number % len(self.under_way))
        receipt = output.receipt
        assert isinstance(receipt, Receipt)
        hearing = receipt.hearing
        self.log.append((self.epoch, hearing.record.key, hearing.record.offset))
        hearing.awaited_acks -= 1
        if hearing.settled:
            del self.open[hearing.record.offset], self.made[hearing.record.offset]
            self.under_way.extend(self.turns.settled(hearing))

    def crash(self) -> None:
        """The lease is lost: what was not settled is read again, from the lowest offset."""
        self.turns.forget([Lease("t", 0, self.epoch)])
        self.position = min(self.open, default=self.position)
        self.open, self.made, self.under_way = {}, {}, []
        self.epoch += 1

    def step(self, what: str, number: int) -> None:
        """One step. What fails is sent again: it goes to the end of what is under way."""
        if what == "read":
            self.read()
        elif what == "make":
            self.make(number)
        elif what == "acknowledge":
            self.acknowledge(number)
        elif what == "fail" and self.under_way:
            self.under_way.append(self.under_way.pop(number % len(self.under_way)))
        elif what == "crash" and number < 30:
            self.crash()

    def rest(self) -> None:
        """What was lost is read again, everything open is made and written."""
        while self.position < self.end:
            self.read()
        while self.open:
            self.make(0)
            self.acknowledge(0)


@given(STEPS)
def test_a_keys_outputs_are_acknowledged_in_the_order_of_its_records(steps: list[tuple[str, int]]) -> None:
    """Within each lease exactly, over all of them at first sight; other keys never wait; nothing is held for ever or left."""
    member = Member()
    for step in steps:
        member.step(*step)
    member.rest()
    assert len(member.turns) == 0
    under, first = defaultdict[tuple[int, bytes], list[int]](list), defaultdict[bytes, list[int]](list)
    for epoch, key, offset in member.log:
        if key is not None:
            under[epoch, key].append(offset)
            if offset not in first[key]:
                first[key].append(offset)
    for offsets in (*under.values(), *first.values()):
        assert offsets == sorted(offsets)
    assert {offset for _, _, offset in member.log} == set(range(member.end))
