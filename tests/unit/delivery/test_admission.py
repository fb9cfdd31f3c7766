"""What becomes of the records of an intake before anything is made of them."""

from __future__ import annotations

from msgspec.structs import replace

from stream_guard.delivery.admission import admission
from stream_guard.records import Lease
from tests.cases import make_record

HELD, GONE = Lease("chat", 0, 2), Lease("chat", 1, 1)


def test_records_are_sorted_and_keep_their_order() -> None:
    """What a lease does not admit is left alone, past or not; of the rest, what is past is only remembered."""
    past = [replace(make_record(offset=n, lease=HELD), past=True) for n in (1, 2)]
    live = [make_record(offset=n, lease=HELD) for n in (3, 4)]
    away = [make_record(offset=9, lease=GONE), replace(make_record(offset=8, lease=GONE), past=True)]
    mixed = [past[0], away[0], past[1], live[0], away[1], live[1]]
    assert admission(mixed, lambda lease: lease == HELD) == (live, past, away)


def test_nothing_is_admitted_while_the_service_stops() -> None:
    """All of it is read again."""
    records = [make_record(offset=n) for n in range(3)]
    assert admission(records, lambda _: False) == ([], [], records)
