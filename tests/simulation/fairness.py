"""A queue that is watched: whoever is served must have had the least, been first in its flow, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, TypeAlias

from stream_guard.delivery.hearing import Hearing
from stream_guard.judging.case import Part
from stream_guard.judging.line import Line
from stream_guard.judging.queue import Queue, Share, Taken

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World

_Flow: TypeAlias = Share[Hearing] | Line[Hearing]
_Passed: TypeAlias = dict[_Flow, tuple[int, int]]
"""By flow that waits and holds nothing: how many asks of others were let in since, and how many others waited at most."""


class WatchedQueue(Queue[Hearing]):
    """The queue of one member, unchanged: what it hands out is checked each time."""

    def __init__(self, world: World, member: Member, place: int, most: int) -> None:
        super().__init__(place)
        self._world = world
        self._member = member
        self._most = most
        self._share_passed: _Passed = {}
        self._line_passed: _Passed = {}

    def take(self, room: int, most: int, chars: int, now: float) -> Taken[Hearing]:
        """Takes, and checks."""
        shares, lines = list(self._waiting.values()), _lines(self._waiting.values())
        taken = super().take(room, most, chars, now)
        self._sweep()
        if taken.group:
            served = {part.line for part in taken.group}
            first = taken.group[0].line
            beside = [line for line in lines if line.share is first.share and (line or line in served)]
            self._check_least(first.share, shares)
            self._check_least(first, beside)
            self._check_order(taken.group, now)
            self._share_passed = self._passed(self._share_passed, shares, {first.share}, len(taken.group))
            others = {line: count for line, count in self._line_passed.items() if _other(line, first.share)}
            self._line_passed = others | self._passed(self._line_passed, beside, served, len(taken.group))
        return taken

    def forget(self, gone: Callable[[Part[Hearing]], bool]) -> None:
        """Lets go of parts."""
        super().forget(gone)
        self._sweep()

    def expired(self, now: float) -> list[Part[Hearing]]:
        """Takes out what is too late."""
        expired = super().expired(now)
        self._sweep()
        return expired

    def _sweep(self) -> None:
        """Of whatever does not wait any more, nothing is counted."""
        self._share_passed = {flow: passed for flow, passed in self._share_passed.items() if _waits(flow)}
        self._line_passed = {flow: passed for flow, passed in self._line_passed.items() if _waits(flow)}

    def _check_least(self, served: _Flow, waiting: Iterable[_Flow]) -> None:
        least = min(flow.held for flow in waiting)
        if served.held > least:
            self._fail(f"serves a flow that holds {served.held}, while one waits that holds {least}")

    def _check_order(self, group: list[Part[Hearing]], now: float) -> None:
        """Nothing that waits, and has time enough, comes before what was taken of its flow."""
        for taken in group:
            soon = now + taken.line.share.usual_s
            for part in taken.line:
                earlier = (part.case.deadline, part.order) < (taken.case.deadline, taken.order)
                if earlier and part.case.deadline > soon and part.case.template is taken.case.template:
                    self._fail("asks about a case before one of its flow with an earlier deadline")
            self._world.coverage.met("taken", "in order" if taken.case.deadline > soon else "hardly in time")

    def _passed(self, before: _Passed, flows: Sequence[_Flow], served: AbstractSet[_Flow], asks: int) -> _Passed:
        """How many asks of others went before those that wait and hold nothing: one turn of each of the others at most."""
        passed = {}
        for flow in flows:
            if flow not in served and not flow.held and _waits(flow):
                count, others = before.get(flow, (0, 0))
                passed[flow] = count, others = count + asks, max(others, len(flows) - 1)
                if count > others * self._most:
                    self._fail(f"let {count} asks pass a flow that waits and holds nothing, beside {others} others")
        return passed

    def _fail(self, wrong: str) -> None:
        self._world.fail(f"{self._member.name} {wrong}")


def _lines(shares: Iterable[Share[Hearing]]) -> list[Line[Hearing]]:
    return [line for share in shares for line in share.waiting.values()]


def _other(flow: _Flow, share: Share[Hearing]) -> bool:
    return isinstance(flow, Line) and flow.share is not share


def _waits(flow: _Flow) -> bool:
    return bool(flow) if isinstance(flow, Line) else bool(flow.waiting)
