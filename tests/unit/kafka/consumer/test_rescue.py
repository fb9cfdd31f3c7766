from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.kafka.consumer.rescue import Job, Rescue, last_within
from stream_guard.kafka.consumer.rescue_child import (
    Between,
    Bounds,
    End,
    Failed,
    Gone,
    Next,
    Read,
    Seek,
    Silent,
    Unreadable,
)
from stream_guard.kafka.consumer.rescue_process import Died
from stream_guard.records import Flaw, Lease, Record
from tests.members import LogBook

LEASE = Lease("chat", 0, 7)


@given(st.integers(0, 1000), st.integers(0, 5000), st.integers(1, 5000))
def test_the_last_offset_of_a_batch_is_found_exactly(first: int, more: int, behind: int) -> None:
    """Wherever it ends, within a number of questions that grows with the logarithm of its length alone."""
    asked: list[int] = []

    def within(offset: int) -> bool:
        asked.append(offset)
        return offset <= first + more

    assert last_within(first, first + more + behind, within) == first + more
    assert len(asked) <= 2 * (more + 2).bit_length() + 1


class ScriptedChild:
    """A log of batches: good ones, those that can't be read, those that kill, and those that do so only once."""

    log: ClassVar[list[tuple[range, str]]] = []
    before: ClassVar[list[Any]] = []
    """What it answers before it looks at the log."""

    def __init__(self, *_: object) -> None:
        """Stands nowhere."""
        self._at = 0
        self._script: Iterator[Any] = iter(self.before)

    def ask(self, question: Any) -> Any:
        """What the batch at the position comes to."""
        if isinstance(question, Seek):
            self._at = question.offset
            return question
        if isinstance(question, Bounds):
            return Between(self.log[0][0].start, self.log[-1][0].stop)
        assert isinstance(question, Next)
        if (answer := next(self._script, None)) is not None:
            return answer
        return self._read()

    def _read(self) -> Any:
        for index, (offsets, kind) in enumerate(self.log):
            if self._at not in offsets:
                continue
            if kind.startswith("kills"):
                if kind == "kills once":
                    self.log[index] = (offsets, "good")
                raise Died("signal 6")
            if kind == "broken":
                return Unreadable(offsets.start, "bad")
            read = range(self._at, offsets.stop)
            self._at = offsets.stop
            return Read([(o, b"v", None, (), None, "create", None, "", Flaw.UNREADABLE) for o in read])
        return End(self._at)

    def end(self) -> str:
        """Nothing to end."""
        return ""


def rescued(monkeypatch: pytest.MonkeyPatch, job: Job, *log: tuple[range, str]) -> tuple[list[Record], Rescue, LogBook]:
    """All that a job reads."""
    monkeypatch.setattr("stream_guard.kafka.consumer.rescue.Child", ScriptedChild)
    monkeypatch.setattr("stream_guard.kafka.consumer.rescue._AGAIN_S", 0.0)
    monkeypatch.setattr(ScriptedChild, "log", list(log))
    book = LogBook()
    rescue = Rescue(job, None, book)  # type: ignore[arg-type]  # the scripted child needs no terms
    records, deadline = [], time.monotonic() + 10
    while not rescue.done:
        assert time.monotonic() < deadline, book.lines
        if rescue.waiting() is None:
            time.sleep(0.001)
        else:
            records.append(rescue.take())
    return records, rescue, book


def told(records: list[Record]) -> list[tuple[int, str]]:
    """Offsets, and whether they are of records or of batches that could not be read."""
    return [(r.offset, r.flaw_kind if r.flaw else "") for r in records]


def test_what_can_be_read_is_handed_over_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the lease of the job, up to the end of the log; a beginning that is not known is the log's."""
    records, rescue, _ = rescued(monkeypatch, Job(LEASE, -2, "x"), (range(5, 8), "good"), (range(8, 9), "good"))
    assert told(records) == [(5, ""), (6, ""), (7, ""), (8, "")]
    assert {record.lease for record in records} == {LEASE}
    assert rescue.reached == 9


def test_it_stops_where_it_was_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a batch, too; the consumer goes on right there."""
    records, rescue, _ = rescued(monkeypatch, Job(LEASE, 1, "x", until=4), (range(10), "good"))
    assert told(records) == [(1, ""), (2, ""), (3, "")]
    assert rescue.reached == 4


def test_broken_batches_are_told_one_by_one_and_what_stands_between_them_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each by its own first offset: a good batch between two broken ones is not passed over."""
    log = [(range(3), "good"), (range(3, 40), "broken"), (range(40, 42), "good"), (range(42, 99), "broken")]
    records, rescue, book = rescued(monkeypatch, Job(LEASE, 1, "x"), *log)
    assert told(records) == [(1, ""), (2, ""), (39, "unreadable_batch"), (40, ""), (41, ""), (98, "unreadable_batch")]
    assert "offsets 3 to 39" in records[2].flaw
    assert "offsets 42 to 98" in records[-1].flaw
    assert rescue.reached == 99
    assert book.events().count("rescue.unreadable") == 2


def test_the_first_offset_told_is_where_reading_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before it in the batch was settled before."""
    records, _, _ = rescued(monkeypatch, Job(LEASE, 5, "x"), (range(10), "broken"), (range(10, 11), "good"))
    assert "offsets 5 to 9" in records[0].flaw


def test_a_batch_that_kills_the_child_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only after it did so again."""
    log = [(range(3), "good"), (range(3, 20), "kills"), (range(20, 22), "good")]
    records, _, book = rescued(monkeypatch, Job(LEASE, 0, "x"), *log)
    assert told(records) == [(0, ""), (1, ""), (2, ""), (19, "unreadable_batch"), (20, ""), (21, "")]
    assert "offsets 3 to 19" in records[3].flaw
    assert "kafka.rescue_memory" in records[3].flaw
    assert book.events().count("rescue.died") == 2


def test_a_child_that_dies_once_condemns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may have chosen it."""
    records, _, _ = rescued(monkeypatch, Job(LEASE, 0, "x"), (range(3), "kills once"), (range(3, 4), "good"))
    assert told(records) == [(0, ""), (1, ""), (2, ""), (3, "")]


@pytest.mark.parametrize("answer", [Silent("no broker"), Failed("refused"), Unreadable(0, "a flipped bit")])
def test_what_passes_is_waited_for(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """A broker that is away, a right that is withdrawn, a batch that came broken once: nothing is told as unreadable."""
    monkeypatch.setattr(ScriptedChild, "before", [answer])
    records, _, _ = rescued(monkeypatch, Job(LEASE, 0, "x"), (range(3), "good"))
    assert told(records) == [(0, ""), (1, ""), (2, "")]


def test_a_position_that_is_gone_is_left_to_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It halts the partition there, as always."""
    records, rescue, _ = rescued(monkeypatch, Job(LEASE, 1, "x"), (range(5, 8), "good"))
    assert (records, rescue.reached) == ([], 1)
    monkeypatch.setattr(ScriptedChild, "before", [Gone()])
    records, rescue, _ = rescued(monkeypatch, Job(LEASE, 5, "x"), (range(5, 8), "good"))
    assert (records, rescue.reached) == ([], 5)
