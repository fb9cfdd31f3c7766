"""Where parts are: waiting (in order), pausing before they are asked again, or open at the engine (oldest first)."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from typing import Generic

from stream_guard.engines.port import AskId
from stream_guard.judging.case import Owner, Part


class Places(Generic[Owner]):
    """Moves parts from place to place. A part that is in none has a result, or is about to have one."""

    def __init__(self) -> None:
        self.waiting: deque[Part[Owner]] = deque()
        self.open: OrderedDict[AskId, Part[Owner]] = OrderedDict()
        self._pausing: list[tuple[float, int, Part[Owner]]] = []
        self._count = count(1)
        self.tokens = 0
        """Prompt tokens open at the engine."""

    def __len__(self) -> int:
        return len(self.waiting) + len(self._pausing) + len(self.open)

    def put_first(self, parts: Sequence[Part[Owner]]) -> None:
        """They wait, before all others."""
        self.waiting.extendleft(reversed(parts))

    def next_group(self, most: int, chars: int) -> list[Part[Owner]]:
        """Takes the part that waited longest, and those after it that share its prompt's prefix.

        They are `most` at most, and those after the first no more than fit into `chars` characters with it.
        """
        waiting = self.waiting
        group = [waiting.popleft()]
        template, left = group[0].case.template, chars - group[0].judged.chars
        while len(group) < most and waiting and waiting[0].case.template is template:
            left -= waiting[0].judged.chars
            if left < 0:
                break
            group.append(waiting.popleft())
        return group

    def pause(self, part: Part[Owner], until: float) -> None:
        """It pauses; those whose time comes at once go in the order in which they came."""
        heapq.heappush(self._pausing, (until, next(self._count), part))

    def resume(self, now: float) -> None:
        """Whose pause is over waits, behind all others."""
        while self._pausing and self._pausing[0][0] <= now:
            self.waiting.append(heapq.heappop(self._pausing)[2])

    def enter(self, part: Part[Owner], size: int, now: float) -> AskId:
        """It is asked, with a prompt of so many tokens. Each asking has an id of its own."""
        ask_id = AskId(next(self._count))
        part.ask_id, part.asked_at, part.prompt_size = ask_id, now, size
        self.open[ask_id] = part
        self.tokens += size
        return ask_id

    def leave(self, ask_id: AskId) -> Part[Owner] | None:
        """Takes what is open under an id, None where nothing is any more."""
        part = self.open.pop(ask_id, None)
        if part is not None:
            part.ask_id = None
            self.tokens -= part.prompt_size
        return part

    def recall(self) -> list[AskId]:
        """Whatever is open waits again, in its old order. Returns its ids."""
        ask_ids = list(self.open)
        self.put_first([part for part in map(self.leave, ask_ids) if part is not None])
        return ask_ids

    def not_open(self) -> Iterable[Part[Owner]]:
        """What waits or pauses."""
        return chain(self.waiting, (entry[2] for entry in self._pausing))

    def forget(self, gone: Callable[[Part[Owner]], bool]) -> list[AskId]:
        """Lets go of parts, wherever they are. Returns the ids of those that were open."""
        self.waiting = deque(part for part in self.waiting if not gone(part))
        self._pausing = [entry for entry in self._pausing if not gone(entry[2])]
        heapq.heapify(self._pausing)
        ask_ids = [ask_id for ask_id, part in self.open.items() if gone(part)]
        for ask_id in ask_ids:
            self.leave(ask_id)
        return ask_ids
