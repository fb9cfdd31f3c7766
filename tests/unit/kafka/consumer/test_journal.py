from __future__ import annotations

import contextlib
import subprocess
import sys
from asyncio import CancelledError
from pathlib import Path

import pytest

from stream_guard.errors import EngineUnavailable, InvariantViolated, StartRefused
from stream_guard.kafka.consumer.journal import NOWHERE, PLACES, Entry, Journal, ended, journaled, left, opened
from stream_guard.records import TopicPartition
from tests.members import LogBook

WHERE = TopicPartition("chat", 3)
HELD = Entry(held=True, low=500, high=800)


def make_journal(folder: Path, log: LogBook | None = None, group: str = "g") -> Journal:
    """A journal that could be had."""
    journal = opened(folder, "cluster", group, log or LogBook())
    assert journal is not None
    return journal


def test_what_was_put_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    """Nothing is closed, flushed or synced before SIGKILL."""
    code = f"""
import os, signal, pathlib
from stream_guard.kafka.consumer.journal import Entry, opened
from stream_guard.records import TopicPartition
journal = opened(pathlib.Path({str(tmp_path)!r}), "cluster", "g", print)
for high in range(500, 801):
    journal.put(TopicPartition("chat", 3), Entry(held=True, low=500, high=high))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert make_journal(tmp_path).entries == {WHERE: HELD}


def _end_by(error: BaseException | None, folder: Path) -> None:
    with journaled(folder, "cluster", "g", LogBook()) as journal:
        assert journal is not None
        journal.put(WHERE, HELD)
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [None, StartRefused("x"), CancelledError()])
def test_an_end_in_order_clears_it(tmp_path: Path, error: BaseException | None) -> None:
    """So does an end that no record can be to blame for."""
    with contextlib.suppress(StartRefused, CancelledError):
        _end_by(error, tmp_path)
    assert set(make_journal(tmp_path).entries.values()) == {Entry()}


@pytest.mark.parametrize("error", [InvariantViolated("x"), EngineUnavailable("x"), MemoryError(), ValueError()])
def test_an_end_that_a_record_may_have_caused_does_not(tmp_path: Path, error: Exception) -> None:
    """A bug, an engine that died, lack of memory."""
    with pytest.raises(type(error)):
        _end_by(error, tmp_path)
    assert make_journal(tmp_path).entries == {WHERE: HELD}


def test_it_says_whose_it_was(tmp_path: Path) -> None:
    """A journal of another group is not believed."""
    first, log = make_journal(tmp_path), LogBook()
    first.put(WHERE, HELD)
    first.close()
    assert make_journal(tmp_path, log, group="other").entries == {}
    assert log.events() == ["journal.begun_anew"]


@pytest.mark.parametrize("garbage", [b"not a journal", b"\xff" * 2_000_000, b"stream-guard j1\n" * 1000])
def test_garbage_is_told_and_begun_anew(tmp_path: Path, garbage: bytes) -> None:
    """Whatever the file holds, the service starts, and the journal works from then on."""
    (tmp_path / "in-flight").write_bytes(garbage)
    log = LogBook()
    journal = make_journal(tmp_path, log)
    assert journal.entries == {}
    assert log.events() == ["journal.begun_anew"]
    journal.put(WHERE, HELD)
    journal.close()
    assert make_journal(tmp_path).entries == {WHERE: HELD}


def test_a_place_of_which_both_copies_are_damaged_is_told(tmp_path: Path) -> None:
    """The other partitions are still known."""
    journal = make_journal(tmp_path)
    for partition in range(3):
        journal.put(TopicPartition("chat", partition), HELD)
        journal.put(TopicPartition("chat", partition), Entry(held=True, low=600, high=800))
    journal.close()
    file = tmp_path / "in-flight"
    raw = bytearray(file.read_bytes())
    for copy in (1024 + 1024 + 20, 1024 + 1024 + 512 + 20):
        raw[copy] ^= 0xFF
    file.write_bytes(raw)
    log = LogBook()
    assert {where.partition for where in make_journal(tmp_path, log).entries} == {0, 2}
    assert log.events() == ["journal.place_lost"]


def test_where_it_can_not_be_kept_the_service_runs_without(tmp_path: Path) -> None:
    """No folder, a folder that is a file, a journal that another process uses: off, and why."""
    (tmp_path / "file").write_text("")
    log = LogBook()
    assert opened(None, "cluster", "g", log) is None
    assert opened(tmp_path / "file", "cluster", "g", log) is None
    holder = make_journal(tmp_path)
    assert opened(tmp_path, "cluster", "g", log) is None
    holder.close()
    assert log.events() == ["journal.off"] * 3
    assert "another process uses it" in str(log.lines[-1][1]["reason"])


def test_more_partitions_than_places_are_told_once(tmp_path: Path) -> None:
    """What holds nothing gives its place away first."""
    log = LogBook()
    journal = make_journal(tmp_path, log)
    for partition in range(PLACES):
        journal.put(TopicPartition("chat", partition), HELD)
    journal.put(TopicPartition("chat", 7), Entry())
    for partition in range(PLACES, PLACES + 3):
        journal.put(TopicPartition("chat", partition), HELD)
    assert log.events() == ["journal.full"]
    journal.close()
    kept = {where.partition for where in make_journal(tmp_path).entries}
    assert PLACES in kept
    assert 7 not in kept
    assert len(kept) == PLACES


SUSPECTED = Entry(held=True, first=500, last=800, ends=1)
"""What a run finds that follows an unclean end; nothing of it was handed on yet."""


@pytest.mark.parametrize(
    ("stood", "first", "last", "ends"),
    [
        (Entry(held=True, low=500, high=800), 500, 800, 1),  # the first time
        (Entry(held=True, low=801, high=800), 801, 800, 1),  # nothing was in flight: what comes next is suspected
        (Entry(held=True), NOWHERE, NOWHERE - 1, 1),  # it died before anything was read
        (Entry(held=True, low=500, high=650, first=500, last=800, ends=1), 500, 650, 2),  # in flight both times
        (Entry(held=True, low=560, high=900, first=500, last=800, ends=1), 560, 800, 2),  # what settled is innocent
        (Entry(held=True, low=801, high=900, first=500, last=800, ends=1), 801, 900, 1),  # headway
        (Entry(held=True, low=400, high=450, first=500, last=800, ends=1), 400, 450, 1),  # before them: another cause
        (SUSPECTED, 500, 800, 2),  # it died before it came so far
        (Entry(held=True, low=801, high=NOWHERE, first=801, last=800, ends=1), 801, 800, 2),  # at the same batch again
        (Entry(held=True, low=520, high=520, alone=True, first=500, last=800, ends=2), 520, 800, 3),  # the rest waits
        (Entry(held=True, low=521, high=520, first=500, last=800, ends=2), 521, 800, 3),  # between two of them
        (Entry(held=False, first=500, last=800, ends=2), 500, 800, 2),  # another pod's meanwhile
    ],
)
def test_what_an_unclean_end_says(stood: Entry, first: int, last: int, ends: int) -> None:
    """Only what was in flight at every end in a row is suspected, and headway begins the count anew."""
    found = ended(stood)
    assert (found.first, found.last, found.ends, found.held) == (first, last, ends, False)


def test_who_dies_alone_is_counted() -> None:
    """In a row, the same record; another one begins at one."""
    stood = Entry(held=True, low=520, high=520, alone=True, first=500, last=800, ends=2)
    first = ended(stood)
    assert (first.suspect, first.deaths) == (520, 1)
    again = ended(
        Entry(held=True, low=520, high=520, alone=True, first=first.first, last=800, ends=3, suspect=520, deaths=1)
    )
    assert (again.suspect, again.deaths) == (520, 2)
    other = ended(Entry(held=True, low=530, high=530, alone=True, first=520, last=800, ends=4, suspect=520, deaths=2))
    assert (other.suspect, other.deaths) == (530, 1)


def test_what_is_suspected_outlives_a_lease() -> None:
    """A partition that comes back is still to be taken with care; one of which nothing is suspected is forgotten."""
    assert left(Entry(held=True, low=5, high=9, first=3, last=9, ends=2)) == Entry(first=3, last=9, ends=2)
    assert left(HELD) == Entry()


def test_after_the_end_nothing_is_put(tmp_path: Path) -> None:
    """A thread that outlives the service must not make an end in order look like another."""
    journal = make_journal(tmp_path)
    journal.put(WHERE, HELD)
    journal.clear()
    journal.put(WHERE, HELD)
    journal.close()
    journal.put(WHERE, HELD)
    assert make_journal(tmp_path).entries == {WHERE: Entry()}
