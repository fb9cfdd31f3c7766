"""Who is asked about next: fair among flows by what they hold at the engine, within a flow by deadline. Pure.

A flow is what comes under one policy (or under one group of them) from one partition. The policy that holds the least of the engine is served first,
and of it the partition that holds the least; among equals the one that was served longest ago. So neither a slow policy
nor a hot partition takes up more than its share while others wait, and whatever nobody else wants is anybody's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from itertools import chain, count
from operator import attrgetter
from typing import Generic, NamedTuple

from stream_guard.judging.case import Owner, Part
from stream_guard.judging.line import Line

_SMOOTHING = 0.125
_DEVIATIONS = 2.0


class Taken(NamedTuple, Generic[Owner]):
    """Parts of one template to be asked about now, and parts whose deadline has passed."""

    group: list[Part[Owner]]
    expired: list[Part[Owner]]


class Share(Generic[Owner]):
    """The flows of one policy, and how long its asks mostly take."""

    __slots__ = ("_deviation_s", "_mean_s", "held", "lines", "policy", "waiting")

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.held = 0
        """What all its flows hold of the engine."""
        self.lines: dict[Hashable, Line[Owner]] = {}
        self.waiting: dict[Hashable, Line[Owner]] = {}
        """Those of them in which something waits; the one that was served longest ago comes first."""
        self._mean_s = self._deviation_s = 0.0

    def wanted(self, key: Hashable) -> Line[Owner]:
        """The flow of a partition, in which something is about to wait."""
        line = self.waiting.get(key)
        if line is None:
            line = self.lines.get(key)
            if line is None:
                line = self.lines[key] = Line(key, self)
            self.waiting[key] = line
        return line

    def measured(self, seconds: float) -> None:
        """An ask took so long. What is usual follows slowly, as TCP's estimate of a round trip does (RFC 6298)."""
        if not self._mean_s:
            self._mean_s, self._deviation_s = seconds, seconds / 4
            return
        error = seconds - self._mean_s
        self._mean_s += _SMOOTHING * error
        self._deviation_s += _SMOOTHING * (abs(error) - self._deviation_s)

    @property
    def usual_s(self) -> float:
        """Within how many seconds an ask mostly ends; 0 while nothing is known."""
        return self._mean_s + _DEVIATIONS * self._deviation_s

    def take(self, most: int, chars: int, place: int, now: float) -> Taken[Owner]:
        """Takes the next parts of one template; `place` is what one ask counts for at least."""
        taken: Taken[Owner] = Taken([], [])
        if len(self.waiting) == 1:
            (line,) = self.waiting.values()
            self._take_of(line, taken, most, chars, now)
        else:
            self._take_in_turn(taken, most, chars, place, now)
        return taken

    def _take_in_turn(self, taken: Taken[Owner], most: int, chars: int, place: int, now: float) -> None:
        """One part at a time, of whichever flow holds the least with what it has got already."""
        shares = [(line.held, number, line) for number, line in enumerate(self.waiting.values())]
        heapify(shares)
        while shares and len(taken.group) < most:
            held, number, line = shares[0]
            before = len(taken.group)
            chars = self._take_of(line, taken, before + 1, chars, now)
            if not line or len(taken.group) == before:  # what goes into another group keeps its turn
                heappop(shares)
            else:
                self.waiting[line.key] = self.waiting.pop(line.key)
                heapreplace(shares, (held + place, number, line))

    def _take_of(self, line: Line[Owner], taken: Taken[Owner], most: int, chars: int, now: float) -> int:
        if line.timed:
            taken.expired.extend(line.sort_out(now, self._soon(now)))
        chars = line.take(taken.group, most, chars)
        if not line:
            del self.waiting[line.key]
        return chars

    def _soon(self, now: float) -> float:
        return math.nextafter(now, math.inf) + self.usual_s

    def expired(self, now: float) -> list[Part[Owner]]:
        """Takes out all parts whose deadline has passed."""
        soon = self._soon(now)
        expired = [part for line in self.waiting.values() if line.timed for part in line.sort_out(now, soon)]
        self._tidy()
        return expired

    def forget(self, gone: Callable[[Part[Owner]], bool]) -> None:
        """Lets go of parts."""
        for line in self.waiting.values():
            line.forget(gone)
        self._tidy()

    def prune(self) -> None:
        """Flows are dropped of which nothing waits or is open: partitions come and go."""
        self.lines = {key: line for key, line in self.lines.items() if line.held or line}

    def _tidy(self) -> None:
        self.waiting = {key: line for key, line in self.waiting.items() if line}


class Queue(Generic[Owner]):
    """All that waits. `place` is how many tokens the place of one ask at the engine stands for, besides its prompt's."""

    def __init__(self, place: int = 1) -> None:
        self._place = place
        self._count = count(1)
        self._shares: dict[str, Share[Owner]] = {}
        self._waiting: dict[str, Share[Owner]] = {}
        """Those in which something waits; the one that was served longest ago comes first."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __len__(self) -> int:
        return sum(len(line) for share in self._waiting.values() for line in share.waiting.values())

    def __iter__(self) -> Iterator[Part[Owner]]:
        for share in self._waiting.values():
            yield from chain.from_iterable(share.waiting.values())

    def arrive(self, parts: Sequence[Part[Owner]]) -> None:
        """Parts of one template come for the first time, in this order."""
        share, counter, line = self._wanted(parts[0].case.template.asked.id), self._count, None
        for part in parts:
            case = part.case
            if line is None or line.key is not case.flow:
                line = share.wanted(case.flow)
            part.line = line
            part.order = order = next(counter)
            line.add((case.deadline, order, order, part))

    def put_back(self, parts: Sequence[Part[Owner]]) -> None:
        """Parts wait again, or in the place of one that waited before: they keep the place that its arrival gave it."""
        ties = [next(self._count) for _ in parts]
        for part, tie in zip(reversed(parts), reversed(ties), strict=True):
            self._add(part, tie)

    def _add(self, part: Part[Owner], tie: int) -> None:
        case = part.case
        part.line = line = self._wanted(case.template.asked.id).wanted(case.flow)
        line.add((case.deadline, part.order, tie, part))

    def _wanted(self, policy: str) -> Share[Owner]:
        """The flows of a policy, in one of which something is about to wait."""
        share = self._waiting.get(policy)
        if share is None:
            share = self._waiting[policy] = self._shares.setdefault(policy, Share(policy))
        return share

    def take(self, room: int, most: int, chars: int, now: float) -> Taken[Owner]:
        """Takes the next parts of one template: for `room` asks in all, `most` and so many characters at once.

        Of that room a policy gets no more at once than its share, so that the next one is looked for soon.
        """
        waiting = self._waiting
        share = min(waiting.values(), key=_HELD)
        taken = share.take(min(most, max(room // len(waiting), 1)), chars, self._place, now)
        if not share.waiting:
            del waiting[share.policy]
        elif len(waiting) > 1:
            waiting[share.policy] = waiting.pop(share.policy)
        return taken

    def expired(self, now: float) -> list[Part[Owner]]:
        """Takes out all parts whose deadline has passed."""
        expired = [part for share in self._waiting.values() for part in share.expired(now)]
        self._tidy()
        return expired

    def forget(self, gone: Callable[[Part[Owner]], bool]) -> None:
        """Lets go of parts."""
        for share in self._waiting.values():
            share.forget(gone)
        self._tidy()

    def _tidy(self) -> None:
        self._waiting = {policy: share for policy, share in self._waiting.items() if share.waiting}

    def prune(self) -> None:
        """Drops flows of which nothing waits or is open: partitions come and go."""
        for share in self._shares.values():
            share.prune()

    # -- what is held of the engine -----------------------------------------------------------------------------------

    def entered(self, part: Part[Owner]) -> None:
        """A part is open at the engine: its flow holds more of it."""
        line, more = part.line, self._place + part.prompt_size
        line.held += more
        line.share.held += more

    def left(self, part: Part[Owner]) -> None:
        """It is not any more."""
        line, less = part.line, self._place + part.prompt_size
        line.held -= less
        line.share.held -= less

    def measured(self, part: Part[Owner], seconds: float) -> None:
        """It was answered after so long."""
        part.line.share.measured(seconds)


_HELD = attrgetter("held")
