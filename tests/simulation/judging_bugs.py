"""Bugs to plant into who is asked next, until when, and who is suspected."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from stream_guard.delivery.hearing import Hearing
from stream_guard.judging.bench import Bench
from stream_guard.judging.case import Part
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.judging.line import Entry, Line
from stream_guard.judging.suspicion import SUSPECT_AFTER
from stream_guard.judging.turn import Overdue, Settled


def first_in_first_out(patch: pytest.MonkeyPatch) -> None:
    """Deadlines do not count for the order."""
    add = Line.add

    def in_order_of_arrival(line: Line[Any], entry: Entry[Any]) -> None:
        add(line, (inf, *entry[1:]))

    patch.setattr(Line, "add", in_order_of_arrival)


def expired_is_asked(patch: pytest.MonkeyPatch) -> None:
    """What is too late is asked about all the same."""
    patch.setattr(Line, "sort_out", lambda *_: [])


def most_is_served(patch: pytest.MonkeyPatch) -> None:
    """Who has, is given."""
    patch.setattr("stream_guard.judging.queue._HELD", lambda share: -share.held)


def served_again_and_again(patch: pytest.MonkeyPatch) -> None:
    """Of those that hold as little, always the same goes first."""
    patch.setattr("stream_guard.judging.queue._HELD", lambda share: (share.held, share.policy))


def no_ask_is_overdue(patch: pytest.MonkeyPatch) -> None:
    """What the engine never answers stays open for ever."""
    patch.setattr(Bench, "overdue", lambda *_, **__: Overdue([], [], []))


def suspects_are_never_apart(patch: pytest.MonkeyPatch) -> None:
    """Whatever was open when the engine died is asked again together, for ever."""
    patch.setattr("stream_guard.judging.places.SUSPECT_AFTER", inf)


def suspects_are_guilty(patch: pytest.MonkeyPatch) -> None:
    """Who saw the engine die twice is taken for its killer, whoever else was there."""
    is_guilty = Bench._is_guilty

    def hasty(bench: Bench[Hearing], part: Part[Hearing], settled: Settled[Hearing]) -> bool:
        if part.deaths + 1 >= SUSPECT_AFTER and part.awaited:
            bench._end(part, Abstention(AbstentionReason.ENGINE_KILLER), settled)
            return True
        return is_guilty(bench, part, settled)

    patch.setattr(Bench, "_is_guilty", hasty)
