from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.journal import Entry, Journal, opened
from stream_guard.records import Flaw, Lease, Record, TopicPartition
from tests.members import LogBook

WHERE, LEASE = TopicPartition("chat", 0), Lease("chat", 0, 1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal that holds nothing."""
    made = opened(tmp_path, "cluster", "group", LogBook())
    assert made is not None
    return made


def make_record(offset: int, *, past: bool = False) -> Record:
    """A record of the partition."""
    return Record(LEASE, offset, b"value", b"key", (("a", b"1"),), past=past)


@pytest.mark.parametrize(
    ("deaths", "marked", "kept"), [(1, False, True), (2, True, True), (3, True, True), (4, True, False)]
)
def test_a_record_is_condemned_after_two_deaths_alone(journal: Journal, deaths: int, marked: bool, kept: bool) -> None:
    """Its bytes are kept, until to write them is what may end the process."""
    entry = Entry(held=True, low=5, high=5, alone=True, first=5, last=9, ends=2, suspect=5, deaths=deaths - 1)
    journal.put(WHERE, entry)
    isolation = Isolation(journal, LogBook())
    isolation.assigned([LEASE])
    before, record, past = isolation.marked([make_record(4), make_record(5), make_record(5, past=True)])
    assert (before.flaw, past.flaw) == ("", "")
    assert bool(record.flaw) is marked
    assert record.flaw_kind is (Flaw.POISON if marked else Flaw.UNREADABLE)
    assert (record.value, record.key, record.headers) == (
        (b"value", b"key", (("a", b"1"),)) if kept else (None, None, ())
    )


def test_one_unclean_end_slows_nothing_down(journal: Journal) -> None:
    """A second one with the same records in flight does."""
    journal.put(WHERE, Entry(held=True, low=5, high=9))
    first = Isolation(journal, LogBook())
    assert first.of(WHERE) is None
    first.assigned([LEASE])
    first.handed([make_record(5), make_record(6)])
    second = Isolation(journal, LogBook())
    suspicion = second.of(WHERE)
    assert suspicion is not None
    assert (suspicion.first, suspicion.last, suspicion.records) == (5, 6, 2)


def test_headway_clears(journal: Journal) -> None:
    """Once everything suspected is settled, the partition is read as always, at the next start too."""
    journal.put(WHERE, Entry(held=True, low=5, high=6, first=5, last=9, ends=1))
    isolation = Isolation(journal, LogBook())
    isolation.assigned([LEASE])
    assert isolation.suspects == 2
    isolation.handed([make_record(5), make_record(6)])
    isolation.stored({LEASE: 7})
    assert (isolation.suspects, isolation.of(WHERE), isolation.idle) == (0, None, True)
    assert Isolation(journal, LogBook()).of(WHERE) is None


def test_the_records_of_another_lease_do_not_count(journal: Journal) -> None:
    """What is handed on or stored of a partition that left is nobody's."""
    isolation = Isolation(journal, LogBook())
    isolation.assigned([LEASE])
    isolation.handed([make_record(5)])
    isolation.left([LEASE])
    assert isolation.idle
    isolation.handed([make_record(6)])
    isolation.stored({LEASE: 7})
    assert journal.entries[WHERE] == Entry()


def test_what_was_read_only_for_its_context_is_not_in_flight(journal: Journal) -> None:
    """It can't be settled."""
    isolation = Isolation(journal, LogBook())
    isolation.assigned([LEASE])
    isolation.handed([make_record(5, past=True)])
    assert isolation.idle


def test_without_a_journal_nothing_is_suspected() -> None:
    """And nothing is kept track of."""
    isolation, records = Isolation(None, LogBook()), [make_record(5)]
    isolation.assigned([LEASE])
    isolation.handed(records, apart=True)
    isolation.stored({LEASE: 6})
    isolation.left([LEASE])
    assert (isolation.idle, isolation.suspects, isolation.marked(records)) == (True, 0, records)
