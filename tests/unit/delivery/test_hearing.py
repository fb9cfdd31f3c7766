"""A record in flight."""

from __future__ import annotations

import gc

from tests.cases import make_record, make_route, open_hearing


def test_a_closed_hearing_settles_with_its_acks() -> None:
    """Closing it rules it; it settles once nothing is awaited any more."""
    hearing = open_hearing()
    hearing.awaited_acks = 1
    hearing.close()
    assert not hearing.settled
    hearing.awaited_acks = 0
    assert hearing.settled


def test_a_closed_hearing_leaves_no_ring_behind() -> None:
    """A hearing and its cases hold each other; once closed, they are freed without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        hearing = open_hearing(make_record(), make_route(policies=("spam", "harassment")))
        hearing.close()
        del hearing
        assert not gc.collect()
    finally:
        gc.enable()
