"""What waits in a partition, and how old it is: of what was read, and of what was not."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from stream_guard.delivery.backlog import Backlogs, Standing
from stream_guard.delivery.ledger import Ledger
from stream_guard.records import Extent, Lease

LEASE = Lease("chat", 0, 1)
NOW = 1_000_000.0
HOUR = 3600.0


class Item(NamedTuple):
    """An open record, and since when it waits."""

    since_ms: int | None


class Rig:
    """One lease on a clock of its own."""

    def __init__(self) -> None:
        self.ledger: Ledger[Item] = Ledger(LEASE)
        self.backlogs = Backlogs()
        self.backlogs.assign([LEASE])
        self.now = NOW

    def extends(self, end: int, begin: int | None = 0, begin_ms: int | None = None) -> None:
        """The cluster was asked now."""
        self.backlogs.extend({LEASE: Extent(end, begin, begin_ms)}, self.now)

    def open(self, offset: int, age_s: float | None = 0.0) -> None:
        """A record of this age is read."""
        self.ledger.open(offset, Item(None if age_s is None else int((self.now - age_s) * 1000)))

    def after(self, seconds: float = 0.0) -> Standing:
        """How it stands so much later, which is known."""
        self.now += seconds
        found = self.found()
        assert found is not None
        return found

    def found(self) -> Standing | None:
        """How it stands, where anything is known."""
        oldest = self.ledger.oldest
        return self.backlogs.standing(self.ledger, oldest.since_ms if oldest else None, self.now)


def test_before_the_cluster_was_asked_only_what_was_read_is_told() -> None:
    """Nothing is made up: that nothing is known is no backlog of 0."""
    rig = Rig()
    assert rig.found() is None
    rig.open(7, age_s=3)
    rig.open(8, age_s=1)
    assert rig.after(1) == (2, 4)
    rig.ledger.settle(7)
    rig.ledger.settle(8)
    assert rig.after(1) == (0, 0)


def test_what_was_read_and_what_was_not_counts_from_the_oldest_record_in_flight() -> None:
    """The backlog is all beyond what may be committed; its age is that of the record that holds the offset."""
    rig = Rig()
    rig.extends(100, begin=40)
    rig.open(40, age_s=60)
    rig.open(41, age_s=59)
    assert rig.after() == (60, 60)
    rig.ledger.settle(40)
    assert rig.after() == (59, 59)


def test_a_partition_that_just_came_is_as_old_as_the_record_where_it_begins() -> None:
    """A backlog of hours is told before anything of it was read, and grows with time."""
    rig = Rig()
    rig.extends(500, begin=100, begin_ms=int((NOW - 5 * HOUR) * 1000))
    assert rig.after() == (400, 5 * HOUR)
    assert rig.after(60) == (400, 5 * HOUR + 60)


def test_what_stands_behind_the_beginning_is_not_older_than_it() -> None:
    """The first records are settled before anybody looked at them, and nothing more is read: the rest is hours old as well."""
    rig = Rig()
    rig.extends(10, begin=0, begin_ms=int((NOW - 5 * HOUR) * 1000))
    rig.open(0, age_s=5 * HOUR)
    rig.ledger.settle(0)
    assert rig.after() == (9, 5 * HOUR)


def test_where_nobody_knows_when_it_was_written_it_counts_from_when_it_was_seen() -> None:
    """A topic without timestamps: the age is the least it can be, but it grows however often the cluster is asked."""
    rig = Rig()
    for _ in range(10):
        rig.extends(500, begin=100)
        rig.after(6)
    assert rig.after() == (400, 60)


@pytest.mark.parametrize("looks", [1, 12])
def test_what_comes_while_intake_waits_is_at_most_as_old_as_the_last_look_at_an_empty_backlog(looks: int) -> None:
    """All was settled, then something was written that nobody reads: the age grows from the last look at which it was not there."""
    rig = Rig()
    rig.open(0, age_s=HOUR)
    rig.ledger.settle(0)
    rig.extends(1)
    assert rig.after() == (0, 0)
    rig.now += 5
    for _ in range(looks):
        rig.extends(4)
        rig.after(5)
    assert rig.after() == (3, 5 + 5 * looks)


def test_while_a_backlog_is_worked_off_its_age_does_not_flap() -> None:
    """Between two intakes nothing is in flight; what follows is about as old as what was."""
    rig = Rig()
    rig.extends(100)
    rig.open(0, age_s=HOUR)
    assert rig.after() == (100, HOUR)
    rig.ledger.settle(0)
    assert rig.after() == (99, HOUR)


def test_what_ends_in_a_marker_is_no_backlog() -> None:
    """The marker of a transaction has an offset, and is never read: its partition was read to the end all the same."""
    rig = Rig()
    rig.open(0)
    rig.ledger.settle(0)
    rig.extends(2)
    assert rig.after(60).records == 1
    rig.backlogs.end(LEASE, 2)
    assert rig.after() == (0, 0)
    rig.extends(3)
    assert rig.after().records == 1


def test_a_partition_that_holds_nothing_but_markers_is_none_either() -> None:
    """Nothing was ever read of it."""
    rig = Rig()
    rig.extends(2, begin=0)
    rig.backlogs.end(LEASE, 2)
    assert rig.after(60) == (0, 0)


def test_the_end_that_was_read_to_hides_nothing_that_is_in_flight() -> None:
    """What was read and is not settled waits, also where all was read."""
    rig = Rig()
    rig.extends(2)
    rig.open(0, age_s=9)
    rig.open(1, age_s=8)
    rig.backlogs.end(LEASE, 2)
    assert rig.after() == (2, 9)


def test_a_timestamp_beyond_now_hides_no_age() -> None:
    """A producer may write any number: what follows is not younger for it."""
    rig = Rig()
    rig.extends(10)
    rig.open(0, age_s=30)
    rig.after()
    rig.open(1, age_s=-99 * HOUR)
    rig.ledger.settle(0)
    assert rig.after().lag_s == 0
    rig.ledger.settle(1)
    assert rig.after(1) == (8, 31)


def test_records_without_a_timestamp_have_no_age() -> None:
    """They are counted."""
    rig = Rig()
    rig.extends(10)
    rig.open(0, age_s=None)
    assert rig.after(60) == (10, 0)


def test_a_log_that_is_shorter_than_it_was_is_believed() -> None:
    """An unclean election takes records away: they are no backlog."""
    rig = Rig()
    rig.extends(10)
    rig.open(0)
    rig.ledger.settle(0)
    rig.extends(1)
    assert rig.after() == (0, 0)


def test_what_is_said_of_leases_that_are_gone_counts_nowhere() -> None:
    """It was asked before they left."""
    backlogs, later = Backlogs(), Lease("chat", 0, 2)
    backlogs.assign([LEASE])
    backlogs.forget([LEASE])
    backlogs.assign([later])
    backlogs.extend({LEASE: Extent(100, 0)}, NOW)
    backlogs.end(LEASE, 100)
    assert backlogs.standing(Ledger(later), None, NOW) is None


def test_a_beginning_that_could_not_be_asked_this_time_is_the_one_that_was_known() -> None:
    """Else a slow broker would make a backlog look empty for a while."""
    rig = Rig()
    rig.extends(100, begin=40, begin_ms=int((NOW - HOUR) * 1000))
    assert rig.after() == (60, HOUR)
    rig.extends(100, begin=None)
    assert rig.after() == (60, HOUR)
