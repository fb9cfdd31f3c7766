"""The queues that `loadtest/deadlines.py` measures the bench's own against."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from stream_guard.delivery.hearing import Hearing
from stream_guard.judging.case import Part
from stream_guard.judging.queue import Queue, Taken


class FirstInFirstOut(Queue[Hearing]):
    """One line for all; what is too late is dropped like anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self._line: deque[Part[Hearing]] = deque()

    def __bool__(self) -> bool:
        return bool(self._line)

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Part[Hearing]]:
        return iter(self._line)

    def arrive(self, parts: Sequence[Part[Hearing]]) -> None:
        """To the end."""
        self._line.extend(parts)

    def put_back(self, parts: Sequence[Part[Hearing]]) -> None:
        """To the front."""
        self._line.extendleft(reversed(parts))

    def take(self, room: int, most: int, chars: int, now: float) -> Taken[Hearing]:
        """From the front."""
        del room, chars
        taken: Taken[Hearing] = Taken([], [])
        while self._line and len(taken.group) < most:
            part = self._line[0]
            if taken.group and part.case.template is not taken.group[0].case.template:
                break
            (taken.expired if part.case.deadline <= now else taken.group).append(self._line.popleft())
        return taken

    def expired(self, now: float) -> list[Part[Hearing]]:
        """Takes out all parts whose deadline has passed."""
        expired = [part for part in self._line if part.case.deadline <= now]
        self.forget(lambda part: part.case.deadline <= now)
        return expired

    def forget(self, gone: Callable[[Part[Hearing]], bool]) -> None:
        """Lets go of parts."""
        self._line = deque(part for part in self._line if not gone(part))

    def entered(self, part: Part[Hearing]) -> None:
        """Nobody counts."""

    def left(self, part: Part[Hearing]) -> None:
        """Nobody counts."""

    def measured(self, part: Part[Hearing], seconds: float) -> None:
        """Nobody measures."""


class EarliestAlone(Queue[Hearing]):
    """The bench's own, but that it does not look at how long an ask takes."""

    def measured(self, part: Part[Hearing], seconds: float) -> None:
        """Nobody measures."""
