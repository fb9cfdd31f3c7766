"""The rule that everything leans on: a commit never passes an unsettled record."""

from __future__ import annotations

import pytest

from stream_guard.delivery.ledger import Ledger, Ledgers
from stream_guard.errors import InvariantViolated
from stream_guard.records import Lease

LEASE = Lease("chat", 0, 1)
LATER = Lease("chat", 0, 2)


def make_ledger(*offsets: int) -> Ledger[str]:
    """A ledger with these offsets open."""
    ledger: Ledger[str] = Ledger(LEASE)
    for offset in offsets:
        ledger.open(offset, f"record {offset}")
    return ledger


def make_ledgers(*offsets: int) -> Ledgers[str]:
    """One lease with these offsets open."""
    ledgers: Ledgers[str] = Ledgers()
    ledgers.assign([LEASE])
    for offset in offsets:
        ledgers.open(LEASE, offset, f"record {offset}")
    return ledgers


def test_nothing_read_nothing_committable() -> None:
    """A lease from which nothing was read has no offset to commit."""
    assert make_ledger().committable is None


def test_committable_is_the_lowest_open_offset() -> None:
    """However much is settled above it, an open record holds the offset back."""
    ledger = make_ledger(5, 6, 7)
    ledger.settle(7)
    ledger.settle(6)
    assert ledger.committable == 5


def test_committable_passes_what_settled_out_of_order_at_once() -> None:
    """Once the oldest settles, everything settled above it counts."""
    ledger = make_ledger(5, 6, 7, 8)
    for offset in (7, 6, 5):
        ledger.settle(offset)
    assert ledger.committable == 8


def test_committable_of_all_settled_is_one_past_the_last_read() -> None:
    """Gaps that compaction or transactions left don't matter: it is the last read offset plus one."""
    ledger = make_ledger(5, 9, 100)
    for offset in (100, 5, 9):
        ledger.settle(offset)
    assert ledger.committable == 101


def test_oldest_is_the_open_record_with_the_lowest_offset() -> None:
    """The lag is read from it."""
    ledger = make_ledger(5, 6)
    ledger.settle(5)
    assert ledger.oldest == "record 6"


@pytest.mark.parametrize("offset", [4, 6])
def test_settling_what_is_not_open_is_a_bug(offset: int) -> None:
    """An acknowledgement for a record that was never opened, or settled already, stops the service."""
    ledger = make_ledger(5, 6)
    ledger.settle(6)
    with pytest.raises(InvariantViolated, match="settled but not open"):
        ledger.settle(offset)


def test_offsets_must_rise() -> None:
    """A lease is read in order."""
    with pytest.raises(InvariantViolated, match="read after"):
        make_ledger(5, 5)


def test_a_new_assignment_is_a_new_ledger() -> None:
    """What a former assignment opened neither holds the new one back nor is credited to it."""
    ledgers = make_ledgers(5, 6)
    assert ledgers.close([LEASE]) == ["record 5", "record 6"]
    ledgers.assign([LATER])
    ledgers.open(LATER, 5, "again")
    assert not ledgers.settle(LEASE, 5)
    assert ledgers.committable([LATER]) == {LATER: 5}


def test_the_same_lease_is_not_assigned_twice() -> None:
    """An epoch names one assignment."""
    ledgers = make_ledgers()
    with pytest.raises(InvariantViolated, match="assigned twice"):
        ledgers.assign([LEASE])


def test_a_closing_lease_admits_nothing_but_still_settles() -> None:
    """While partitions drain, work under way counts and no new work begins."""
    ledgers = make_ledgers(5)
    ledgers.closing([LEASE, Lease("other", 0, 9)])
    assert not ledgers.admits(LEASE)
    assert ledgers.settle(LEASE, 5)
    assert ledgers.drained([LEASE])


def test_committable_is_taken_once() -> None:
    """Offsets are handed on when something settled, and not again until more does."""
    ledgers = make_ledgers(5, 6)
    ledgers.settle(LEASE, 5)
    assert ledgers.take_committable() == {LEASE: 6}
    assert ledgers.take_committable() == {}


def test_drained_looks_at_the_leases_asked_for() -> None:
    """One lease's open work does not hold another's release back."""
    ledgers = make_ledgers(5)
    other = Lease("chat", 1, 2)
    ledgers.assign([other])
    assert ledgers.drained([other])
    assert not ledgers.drained([LEASE])
    assert not ledgers.drained()
