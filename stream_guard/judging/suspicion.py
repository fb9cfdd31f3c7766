"""Which part ends the engine's process: who was open when it ended more than once is asked apart. Pure.

After the first death everything is asked again as if nothing had been: most engines die of something else. Who sees it
happen twice is a suspect. Suspects are asked while nothing else is open, so that whatever happens then is theirs: sixteen
at once while more than sixteen of them saw it as often, else one by one. So a full engine is searched within four deaths
and a few dozen asks, instead of one by one all of what was open, or by halves with a restart each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic

from stream_guard.judging.case import Owner, Part

SUSPECT_AFTER = 2
"""Deaths of the engine that a part has seen."""
COMPANY = 16
"""Suspects that are asked at once, where there are more."""


class Suspects(Generic[Owner]):
    """The suspects that wait."""

    def __init__(self) -> None:
        self._parts: list[Part[Owner]] = []

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Part[Owner]]:
        return iter(self._parts)

    def add(self, parts: Iterable[Part[Owner]]) -> None:
        """They wait."""
        self._parts.extend(parts)

    def take(self, chars: int) -> list[Part[Owner]]:
        """Those that are asked now, with nothing else open: one, or several of one template with so many characters."""
        most = max(part.deaths for part in self._parts)
        worst = [part for part in self._parts if part.deaths == most]
        group = worst[:1]
        if len(worst) > COMPANY:
            left = chars - group[0].judged.chars
            for part in worst[1:COMPANY]:
                left -= part.judged.chars
                if left < 0 or part.case.template is not group[0].case.template:
                    break
                group.append(part)
        self.forget(lambda part: part in group)
        return group

    def expired(self, now: float) -> list[Part[Owner]]:
        """Takes out those whose deadline has passed."""
        expired = [part for part in self._parts if part.case.deadline <= now]
        if expired:
            self.forget(lambda part: part in expired)
        return expired

    def forget(self, gone: Callable[[Part[Owner]], bool]) -> None:
        """Lets go of parts."""
        self._parts = [part for part in self._parts if not gone(part)]

    def clear(self) -> list[Part[Owner]]:
        """Lets all of them go, because another was found guilty. One more death, and they are suspects again."""
        cleared, self._parts = self._parts, []
        for part in cleared:
            part.deaths = SUSPECT_AFTER - 1
        return cleared
