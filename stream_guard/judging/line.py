"""What waits in one flow, and in which order. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from heapq import heapify, heappop, heappush
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, TypeAlias

from stream_guard.judging.case import Owner, Part

if TYPE_CHECKING:
    from stream_guard.judging.queue import Share

Entry: TypeAlias = tuple[float, int, int, Part[Owner]]
"""Deadline, order of arrival, order of entry, and the part: what compares lower is asked about first."""
_DEADLINE = itemgetter(0)


class Line(Generic[Owner]):
    """What waits in one flow, earliest deadline first, then in order of arrival.

    Under overload that order alone would ask about each case just too late for its answer to be in time. So those that have
    less time left than an ask mostly takes (`soon`) come after all others, the one with the most time left first: where
    there is room they are asked all the same, and nothing is given up on a guess.
    """

    __slots__ = ("_early", "_tail", "_unlikely", "held", "key", "share", "timed")

    def __init__(self, key: Hashable, share: Share[Owner]) -> None:
        self.key = key
        self.share = share
        self.held = 0
        """What it holds of the engine: the tokens of its open prompts, and those that each ask's place stands for."""
        self.timed = False
        """Whether anything with a deadline ever waited here."""
        self._tail: deque[Entry[Owner]] = deque()
        """In order: nearly all come in order, and those that come back stood before all that wait."""
        self._early: list[Entry[Owner]] = []
        """A heap of those that came out of order."""
        self._unlikely: list[Entry[Owner]] = []

    def __len__(self) -> int:
        return len(self._tail) + len(self._early) + len(self._unlikely)

    def __iter__(self) -> Iterator[Part[Owner]]:
        for entry in chain(self._tail, self._early, self._unlikely):
            yield entry[3]

    def add(self, entry: Entry[Owner]) -> None:
        """It waits, at the place that its deadline and its arrival give it."""
        tail = self._tail
        if not tail or entry > tail[-1]:
            tail.append(entry)
        elif entry < tail[0]:
            tail.appendleft(entry)
        else:
            heappush(self._early, entry)
        if entry[0] < math.inf:
            self.timed = True

    def sort_out(self, now: float, soon: float) -> list[Part[Owner]]:
        """Puts those back that have less time left than until `soon`. Takes out those whose deadline has passed."""
        while (head := self._first()) is not None and head[0] < soon:
            insort(self._unlikely, self._pop())
        passed = bisect_right(self._unlikely, now, key=_DEADLINE)
        expired = [entry[3] for entry in self._unlikely[:passed]]
        del self._unlikely[:passed]
        return expired

    def take(self, group: list[Part[Owner]], most: int, chars: int) -> int:
        """Moves parts into a group of so many at most. Returns how many characters are left of `chars`.

        The group's first is taken whatever its size; then it goes on as long as the template is the same and all fits.
        """
        template = group[0].case.template if group else None
        tail, early, size = self._tail, self._early, len(group)
        while size < most:
            in_order = tail and not (early and early[0] < tail[0])
            head = tail[0] if in_order else early[0] if early else self._unlikely[-1] if self._unlikely else None
            if head is None:
                break
            part = head[3]
            length = part.judged.chars
            if template is None:
                template = part.case.template
            elif length > chars or part.case.template is not template:
                break
            chars -= length
            size += 1
            group.append(part)
            if in_order:
                tail.popleft()
            elif early:
                heappop(early)
            else:
                self._unlikely.pop()
        return chars

    def forget(self, gone: Callable[[Part[Owner]], bool]) -> None:
        """Lets go of parts."""
        self._tail = deque(entry for entry in self._tail if not gone(entry[3]))
        self._early = [entry for entry in self._early if not gone(entry[3])]
        heapify(self._early)
        self._unlikely = [entry for entry in self._unlikely if not gone(entry[3])]

    def _first(self) -> Entry[Owner] | None:
        """The next of those that have time enough."""
        if self._early and (not self._tail or self._early[0] < self._tail[0]):
            return self._early[0]
        return self._tail[0] if self._tail else None

    def _pop(self) -> Entry[Owner]:
        if self._early and (not self._tail or self._early[0] < self._tail[0]):
            return heappop(self._early)
        return self._tail.popleft()
