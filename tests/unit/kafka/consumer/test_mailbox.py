from __future__ import annotations

import threading
import time

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.records import Assigned, Intake, Lease, Record, Revoking

ONE, TWO = Lease("t", 0, 1), Lease("t", 1, 2)


class Bell:
    """Counts how often the loop was woken."""

    def __init__(self) -> None:
        """Silent."""
        self.rings = 0

    def __call__(self) -> None:
        """Rings once."""
        self.rings += 1


def make_mailbox() -> tuple[Mailbox, Bell]:
    """A mailbox and what it wakes."""
    bell = Bell()
    return Mailbox(bell), bell


def test_the_loop_is_woken_once_for_all_that_waits() -> None:
    """A wake-up costs more than a record: one is enough until the loop has looked."""
    mailbox, bell = make_mailbox()
    mailbox.post(Assigned((ONE,)))
    mailbox.post(Intake([]))
    mailbox.post()
    assert bell.rings == 1
    assert mailbox.collect() == [Assigned((ONE,)), Intake([])]
    mailbox.post(Intake([]))
    assert bell.rings == 2


def test_records_use_up_the_grant() -> None:
    """Once taken, whether or not they were handed out."""
    mailbox, _ = make_mailbox()
    mailbox.grant(5)
    assert mailbox.reserve(3) == 3
    mailbox.post(Intake([Record(ONE, n, b"") for n in range(3)]))
    mailbox.collect()
    assert mailbox.available == 2


def test_a_failure_comes_after_the_signals() -> None:
    """What was told before the poll thread ended is not lost."""
    mailbox, bell = make_mailbox()
    mailbox.post(Assigned((ONE,)))
    mailbox.fail(StartRefused("no"))
    assert mailbox.collect() == [Assigned((ONE,))]
    with pytest.raises(StartRefused):
        mailbox.collect()
    assert bell.rings == 2


def test_orders_are_taken_once() -> None:
    """A later offset of a lease replaces an earlier one; the second taking finds nothing."""
    mailbox, _ = make_mailbox()
    mailbox.store({ONE: 1, TWO: 1})
    mailbox.store({ONE: 2})
    mailbox.subscribe(["a"])
    assert (mailbox.take_stores(), mailbox.take_topics()) == ({ONE: 2, TWO: 1}, ("a",))
    assert (mailbox.take_stores(), mailbox.take_topics()) == ({}, None)
    mailbox.hold_back([ONE, TWO], paused=True)
    mailbox.hold_back([ONE], paused=False)
    began = time.monotonic()
    mailbox.wait(5.0)
    assert time.monotonic() - began < 1.0
    assert (mailbox.take_pauses(), mailbox.take_pauses()) == ({ONE: False, TWO: True}, {})


def hand_over(mailbox: Mailbox, seconds: float) -> tuple[threading.Thread, list[dict[Lease, int]]]:
    """A hand-over under way in a thread, and the list in which its result will be."""
    results: list[dict[Lease, int]] = []
    thread = threading.Thread(target=lambda: results.append(mailbox.hand_over((ONE, TWO), seconds)))
    thread.start()
    deadline = time.monotonic() + 5
    while not mailbox.collect() and time.monotonic() < deadline:
        time.sleep(0.001)
    return thread, results


def test_a_hand_over_ends_with_the_last_answer() -> None:
    """Answers may come in parts; offsets of leases that were not asked for are not taken."""
    mailbox, _ = make_mailbox()
    thread, results = hand_over(mailbox, 10)
    mailbox.release([ONE], {ONE: 5, TWO: 9})
    mailbox.release([TWO, Lease("t", 1, 1)], {TWO: 6, Lease("t", 1, 1): 7})
    thread.join(5)
    assert results == [{ONE: 5, TWO: 6}]


def test_a_hand_over_is_bounded() -> None:
    """What was answered in time counts, the rest goes; a late answer is for nobody."""
    mailbox, _ = make_mailbox()
    thread, results = hand_over(mailbox, 0.1)
    mailbox.release([ONE], {ONE: 5})
    thread.join(5)
    mailbox.release([TWO], {TWO: 6})
    assert results == [{ONE: 5}]
    assert mailbox.take_stores() == {}


def test_closing_ends_a_hand_over() -> None:
    """Nobody is waited for once the process is to end."""
    mailbox, _ = make_mailbox()
    thread, results = hand_over(mailbox, 30)
    mailbox.close()
    thread.join(5)
    assert results == [{}]
    assert mailbox.closing


def test_waiting_ends_with_credit() -> None:
    """The poll thread goes on as soon as there is room."""
    mailbox, _ = make_mailbox()
    threading.Timer(0.05, mailbox.grant, [1]).start()
    began = time.monotonic()
    mailbox.wait(10)
    assert time.monotonic() - began < 5


def test_a_revocation_is_posted_before_the_wait() -> None:
    """The pipeline hears of it while the poll thread waits."""
    mailbox, _ = make_mailbox()
    assert mailbox.hand_over((ONE,), 0.01) == {}
    assert mailbox.collect() == [Revoking((ONE,))]
