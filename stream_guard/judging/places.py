"""Where parts are: waiting, suspected, pausing before they are asked again, or open at the engine (oldest first)."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from typing import Generic

from stream_guard.engines.port import AskId
from stream_guard.judging.case import Owner, Part
from stream_guard.judging.queue import Queue
from stream_guard.judging.suspicion import SUSPECT_AFTER, Suspects


class Places(Generic[Owner]):
    """Moves parts from place to place. A part that is in none has a result, or is about to have one."""

    def __init__(self, queue: Queue[Owner]) -> None:
        self.waiting = queue
        self.suspects: Suspects[Owner] = Suspects()
        self.open: OrderedDict[AskId, Part[Owner]] = OrderedDict()
        self._pausing: list[tuple[float, int, Part[Owner]]] = []
        self._count = count(1)
        self.tokens = 0
        """Prompt tokens open at the engine."""

    def __len__(self) -> int:
        return len(self.waiting) + len(self.suspects) + len(self._pausing) + len(self.open)

    def put_back(self, parts: Sequence[Part[Owner]]) -> None:
        """They wait again, before those of their flow that came later; suspects apart."""
        suspects = [part for part in parts if part.deaths >= SUSPECT_AFTER]
        if suspects:
            self.suspects.add(suspects)
            parts = [part for part in parts if part.deaths < SUSPECT_AFTER]
        self.waiting.put_back(parts)

    def clear_suspects(self) -> None:
        """One was found guilty: the others wait like any."""
        for part in chain(self.open.values(), (entry[2] for entry in self._pausing)):
            part.deaths = min(part.deaths, SUSPECT_AFTER - 1)
        self.waiting.put_back(self.suspects.clear())

    def pause(self, part: Part[Owner], until: float) -> None:
        """It pauses; those whose time comes at once go in the order in which they came."""
        heapq.heappush(self._pausing, (until, next(self._count), part))

    def resume(self, now: float) -> None:
        """Whose pause is over waits again."""
        over = []
        while self._pausing and self._pausing[0][0] <= now:
            over.append(heapq.heappop(self._pausing)[2])
        if over:
            self.put_back(over)

    def expired(self, now: float) -> list[Part[Owner]]:
        """Takes out what waits though its deadline has passed. A pause ends before that."""
        self.resume(now)
        return [*self.waiting.expired(now), *self.suspects.expired(now)]

    def enter(self, part: Part[Owner], size: int, now: float) -> AskId:
        """It is asked, with a prompt of so many tokens. Each asking has an id of its own."""
        ask_id = AskId(next(self._count))
        part.ask_id, part.asked_at, part.prompt_size = ask_id, now, size
        self.open[ask_id] = part
        self.tokens += size
        self.waiting.entered(part)
        return ask_id

    def leave(self, ask_id: AskId) -> Part[Owner] | None:
        """Takes what is open under an id, None where nothing is any more."""
        part = self.open.pop(ask_id, None)
        if part is not None:
            part.ask_id = None
            self.tokens -= part.prompt_size
            self.waiting.left(part)
        return part

    def recall(self) -> list[AskId]:
        """Whatever is open waits again, in its old order. Returns its ids."""
        ask_ids = list(self.open)
        self.put_back([part for part in map(self.leave, ask_ids) if part is not None])
        return ask_ids

    def not_open(self) -> Iterable[Part[Owner]]:
        """What waits or pauses."""
        return chain(self.waiting, self.suspects, (entry[2] for entry in self._pausing))

    def forget(self, gone: Callable[[Part[Owner]], bool]) -> list[AskId]:
        """Lets go of parts, wherever they are. Returns the ids of those that were open."""
        self.waiting.forget(gone)
        self.suspects.forget(gone)
        self._pausing = [entry for entry in self._pausing if not gone(entry[2])]
        heapq.heapify(self._pausing)
        ask_ids = [ask_id for ask_id, part in self.open.items() if gone(part)]
        for ask_id in ask_ids:
            self.leave(ask_id)
        return ask_ids
