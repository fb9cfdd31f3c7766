from __future__ import annotations

from collections.abc import Collection

import pytest
from msgspec.structs import replace

from stream_guard.delivery.brakes import BrakeBounds, Brakes
from stream_guard.delivery.guard import Guard, GuardBounds
from stream_guard.delivery.halts import HaltReason, Halts
from stream_guard.delivery.ledger import Ledgers
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.ports import Output, Report
from stream_guard.delivery.window import Bounds, Window
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.records import Lease, Origin
from stream_guard.telemetry.null import NullTelemetry
from tests.cases import LEASE, make_record, open_hearing

OTHER = Lease("chat", 1, 1)
_ORIGIN = Origin("c", "chat", None, 0, 7, 1, "subject", replays=1, first_failed_at_ms=1)


class Told(NullTelemetry):
    """Keeps what it is told of halts."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, int, str]] = []
        self.details: list[str] = []
        self.ended: list[int] = []

    def halted(self, topic: str, partition: int, reason: str, detail: str = "") -> None:
        """Keeps it."""
        self.lines.append(("halted", topic, partition, reason))
        self.details.append(detail)

    def unhalted(self, topic: str, partition: int, reason: str) -> None:
        """Keeps it."""
        self.lines.append(("goes on", topic, partition, reason))

    def unassigned(self, topic: str, partition: int) -> None:
        """Keeps it."""
        self.ended.append(partition)


class Reading:
    """A source that knows what is held back."""

    def __init__(self) -> None:
        self.paused: list[Lease] = []

    def pause(self, leases: Collection[Lease]) -> None:
        """Notes it."""
        self.paused.extend(leases)

    def resume(self, leases: Collection[Lease]) -> None:
        """Notes it."""
        for lease in leases:
            self.paused.remove(lease)


class Rig:
    """Halts of two leases; the guard trips at three dead letters in a row."""

    def __init__(self) -> None:
        self.source, self.told = Reading(), Told()
        guard = Guard(GuardBounds(max_consecutive=3, max_ratio=None))
        self.halts = Halts(self.source, self.told, Brakes(BrakeBounds()), guard)  # type: ignore[arg-type]  # it asks no more
        self.ledgers: Ledgers[int] = Ledgers()
        self.ledgers.assign([LEASE, OTHER])

    def step(self) -> list[Lease]:
        """What is held back at the end of a turn."""
        self.halts.step(0.0, Window(Bounds()), self.ledgers)
        return self.source.paused

    def fail(self, receipt: Receipt, *, retriable: bool) -> None:
        """An output was not written, and waits to be sent again."""
        receipt.failures += 1
        self.halts.not_written(receipt, Report(Output("dead-letters", None, b"", (), receipt), "no right", retriable))


def make_letter(lease: Lease = LEASE) -> Receipt:
    """The receipt of a dead letter."""
    return Receipt(open_hearing(make_record(b"?", lease=lease)), ("record", "not_json"))


def test_a_dead_letter_that_nobody_may_write_halts_its_partition_at_once() -> None:
    """It is told why and what to do; once all of them are written it goes on, and that is told too."""
    rig, one, two = Rig(), make_letter(), make_letter()
    for letter in (one, two, one):
        rig.fail(letter, retriable=False)
    assert rig.step() == [LEASE]
    assert "dead-letters does not take a dead letter (no right)" in rig.told.details[0]
    assert "Let the service write there" in rig.told.details[0]
    assert (len(rig.halts), str(rig.halts)) == (1, "chat[0] (dead_letter_not_written)")
    rig.halts.written(one)
    assert rig.step() == [LEASE]
    rig.halts.written(two)
    assert rig.step() == []
    reason = HaltReason.DEAD_LETTER_NOT_WRITTEN
    assert rig.told.lines == [("halted", "chat", 0, reason), ("goes on", "chat", 0, reason)]
    assert str(rig.halts) == ""


def test_what_may_pass_by_itself_is_given_three_tries() -> None:
    """Any other output may fail for ever: it holds its offset, and the others of the partition go on."""
    rig, letter, verdict = Rig(), make_letter(), Receipt(open_hearing())
    for _ in range(2):
        rig.fail(letter, retriable=True)
        rig.fail(verdict, retriable=False)
    assert rig.step() == []
    rig.fail(letter, retriable=True)
    assert rig.step() == [LEASE]


def test_a_try_that_took_long_is_not_given_two_more() -> None:
    """The client may try for minutes before it reports a failure: three of them would be too late an alert."""
    rig, letter = Rig(), make_letter()
    letter.tried_s = 59.0
    rig.fail(letter, retriable=True)
    assert rig.step() == []
    letter.tried_s = 60.0
    rig.fail(letter, retriable=True)
    assert rig.step() == [LEASE]


def test_an_acknowledgement_of_what_never_failed_changes_nothing() -> None:
    """Nor one of another partition."""
    rig = Rig()
    rig.halts.written(make_letter())
    rig.fail(make_letter(), retriable=False)
    for receipt in (make_letter(), make_letter(OTHER), Receipt(open_hearing())):
        rig.halts.written(receipt)
    assert rig.step() == [LEASE]


def test_a_partition_of_dead_letters_is_stopped_for_good() -> None:
    """It says of how many, what for, and what to do; letters written later don't let it go on."""
    rig, letter = Rig(), make_letter()
    rig.fail(letter, retriable=False)
    for _ in range(3):
        hearing = open_hearing(make_record(b"?"))
        rig.halts.decided(hearing)
    assert rig.step() == [LEASE]
    assert "3 records in a row were dead-lettered, most of them (3) for not_json" in rig.told.details[-1]
    assert "raise dead_letters.max_consecutive" in rig.told.details[-1]
    assert LEASE in rig.halts.closed
    rig.halts.written(letter)
    assert rig.step() == [LEASE]
    assert str(rig.halts) == "chat[0] (too_many_dead_letters)"


def test_a_case_in_the_dead_letters_counts_as_its_record() -> None:
    """Once, however many of its cases failed. A judged one ends the row."""
    rig = Rig()
    for good in (False, False, True, False, False):
        hearing = open_hearing(make_record())
        if not good:
            hearing.mendable = [(None, Abstention(AbstentionReason.UNPARSEABLE))] * 2  # type: ignore[list-item]
        rig.halts.decided(hearing)
    assert rig.step() == []
    hearing = open_hearing(make_record())
    hearing.mendable = [(None, Abstention(AbstentionReason.UNPARSEABLE))]  # type: ignore[list-item]
    rig.halts.decided(hearing)
    assert rig.step() == [LEASE]
    assert "for unparseable" in rig.told.details[0]


def test_what_is_redriven_is_not_counted() -> None:
    """It came out of the dead letters: to go back there drains nothing."""
    rig = Rig()
    for _ in range(5):
        hearing = open_hearing(make_record(b"?"))
        hearing.record = replace(hearing.record, origin=_ORIGIN)
        rig.halts.decided(hearing)
    assert rig.step() == []


def test_what_is_escalated_is_counted() -> None:
    """A deployment that refuses all of it would drain the topic into its dead letters, as any."""
    rig = Rig()
    for _ in range(3):
        hearing = open_hearing(make_record(b"?"))
        hearing.record = replace(hearing.record, origin=replace(_ORIGIN, replays=0))
        rig.halts.decided(hearing)
    assert rig.step() == [LEASE]


def test_what_the_source_can_not_read_it_holds_by_itself() -> None:
    """It is only told."""
    rig = Rig()
    rig.halts.unreadable(OTHER, "set the group's offset")
    assert rig.step() == []
    assert rig.told.lines == [("halted", "chat", 1, HaltReason.POSITION)]
    assert rig.told.details == ["set the group's offset"]


def test_a_halt_ends_with_its_lease() -> None:
    """Whoever holds the partition next finds out anew; an acknowledgement that comes late is nobody's."""
    rig, letter = Rig(), make_letter()
    rig.fail(letter, retriable=False)
    rig.step()
    rig.ledgers.close([LEASE])
    rig.halts.forget([LEASE])
    rig.halts.written(letter)
    assert (len(rig.halts), rig.told.ended, len(rig.told.lines)) == (0, [0], 1)


def test_many_are_told_in_few_words() -> None:
    """A probe's answer has no room for a thousand."""
    rig = Rig()
    for partition in range(12):
        rig.halts.unreadable(Lease("chat", partition, 1), "")
    assert str(rig.halts).endswith("chat[9] (position), and 2 more")


@pytest.mark.parametrize("retriable", [True, False])
def test_a_letter_that_fails_again_is_told_once(retriable: bool) -> None:
    """However often it is sent in vain."""
    rig, letter = Rig(), make_letter()
    for _ in range(9):
        rig.fail(letter, retriable=retriable)
    assert len(rig.told.lines) == 1
