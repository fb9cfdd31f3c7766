"""Conversations out of single messages: what was said before under one key, and whether that is all there was.

What is shown with a message follows from the log alone: of the `last` messages before it, of its partition, route and
key, those that fit into `chars` together (the newest are taken first; one that is longer by itself is left out), less
those that are older than `within_s`. Messages that no memory of this process can hold any more are not made up for: the
answer says whether anything that belongs there may be missing.

Timestamps are taken to rise along the log in one place only: what was written before the first record that was read of a
lease is taken to be no younger than it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from sys import getsizeof
from typing import Final, NamedTuple, TypeAlias

from stream_guard.events.model import Turn
from stream_guard.records import Lease, Record
from stream_guard.routing import Context

Key: TypeAlias = str | bytes

_NEVER: Final = -(2**63)
_ALWAYS: Final = 2**63
_LONGEST_KEY: Final = 64
_THREAD_BYTES: Final = 700
"""What a key costs besides its own bytes: its thread, its place among the others."""
_MESSAGE_BYTES: Final = 320
"""What a message costs besides its texts."""
_PART_BYTES: Final = 160


class Recalled(NamedTuple):
    """What is shown with a message, oldest first."""

    turns: tuple[Turn, ...]
    whole: bool
    """False where messages may be missing: they were said before the memory begins, were forgotten, or are too long."""


class Contexts:
    """The memory of all routes that have a context. Pure; what it knows of a lease ends with the lease.

    Of one lease, everything is told in the order of offsets: `witness` of every record, then `recall` and `remember` of
    those that are messages of a route.
    """

    def __init__(self, routes: Mapping[str, Context]) -> None:
        self._memories = {name: _Memory(context) for name, context in routes.items()}
        self._begun: set[Lease] = set()

    def __bool__(self) -> bool:
        return bool(self._memories)

    @property
    def bytes(self) -> int:
        """What all that is remembered takes."""
        return sum(memory.bytes for memory in self._memories.values())

    def witness(self, record: Record) -> None:
        """Notes where the memory of a lease begins: with the first record that is read of it."""
        lease = record.lease
        if lease not in self._begun:
            self._begun.add(lease)
            if record.offset:
                for memory in self._memories.values():
                    memory.horizons[lease] = _moment(record)

    def recall(self, route: str, record: Record, key: Key, room: int) -> Recalled:
        """What was said before this message; `room` bounds its characters where the route's `chars` does not."""
        memory = self._memories[route]
        return memory.recall((record.lease, _short(key)), memory.since(record), room)

    def remember(self, route: str, record: Record, key: Key, turn: Turn, chars: int) -> None:
        """Keeps a message for those that follow. `chars` are those of its line."""
        self._memories[route].remember((record.lease, _short(key)), _moment(record), turn, chars)

    def forget(self, leases: Iterable[Lease]) -> None:
        """Leases end: whoever holds their partitions next reads again what they need."""
        gone = self._begun.intersection(leases)
        self._begun -= gone
        for memory in self._memories.values():
            memory.forget(gone)


_Place: TypeAlias = tuple[Lease, Key]


class _Memory:
    """What one route remembers: the threads of all keys, that of the key that was silent for longest first."""

    __slots__ = ("_context", "_threads", "bytes", "horizons")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._threads: OrderedDict[_Place, _Thread] = OrderedDict()
        self.bytes = 0
        self.horizons: dict[Lease, int] = {}
        """For each lease, the timestamp of the youngest message that may be unknown; none where all are known."""

    def since(self, record: Record) -> int:
        """How old a message may be that is shown with this one. One without a timestamp is never too old."""
        at = record.timestamp_ms
        return _NEVER + 1 if at is None else at - round(self._context.within_s * 1000)

    def recall(self, place: _Place, since: int, room: int) -> Recalled:
        thread = self._threads.get(place)
        if thread is None:
            return Recalled((), self._horizon(place[0]) < since)
        turns, whole = thread.shown(since, min(room, self._context.chars))
        known = len(thread.said) >= self._context.last or thread.horizon < since
        return Recalled(turns, whole and known)

    def remember(self, place: _Place, moment: int, turn: Turn, chars: int) -> None:
        thread = self._threads.get(place)
        if thread is None:
            thread = self._threads[place] = _Thread(self._horizon(place[0]), place[1])
            self.bytes += thread.bytes
        before = thread.bytes
        thread.add(_Said(moment, turn, chars), self._context)
        self.bytes += thread.bytes - before
        self._threads.move_to_end(place)
        while self.bytes > self._context.bytes:
            self._evict()

    def forget(self, leases: set[Lease]) -> None:
        for place in [place for place in self._threads if place[0] in leases] if leases else ():
            self.bytes -= self._threads.pop(place).bytes
        for lease in leases:
            self.horizons.pop(lease, None)

    def _evict(self) -> None:
        (lease, _), thread = self._threads.popitem(last=False)
        self.bytes -= thread.bytes
        youngest = max(said.moment for said in thread.said)
        self.horizons[lease] = max(self._horizon(lease), thread.horizon, youngest)

    def _horizon(self, lease: Lease) -> int:
        return self.horizons.get(lease, _NEVER)


class _Said:
    """A message of a thread. `turn` is None once it has no place in the context any more: only that it was is known."""

    __slots__ = ("bytes", "chars", "moment", "turn")

    def __init__(self, moment: int, turn: Turn, chars: int) -> None:
        self.moment = moment
        self.turn: Turn | None = turn
        self.chars = chars
        self.bytes = _size(turn)


class _Thread:
    """The last messages of one key. Those whose turn is kept fit into the context together."""

    __slots__ = ("_chars", "bytes", "horizon", "said")

    def __init__(self, horizon: int, key: Key) -> None:
        self.said: list[_Said] = []
        self.horizon = horizon
        """The timestamp of the youngest message that may have been said before the thread begins."""
        self.bytes = _THREAD_BYTES + getsizeof(key)
        self._chars = 0

    def add(self, said: _Said, context: Context) -> None:
        """Takes a message; what has no place beside it is let go."""
        self.said.append(said)
        self.bytes += _MESSAGE_BYTES + said.bytes
        self._chars += said.chars + 1
        if said.chars > context.chars:
            self._blank(said)
        if len(self.said) > context.last:
            self._blank(self.said.pop(0))
            self.bytes -= _MESSAGE_BYTES
        if self._chars > context.chars + 1:
            for oldest in self.said:
                self._blank(oldest)
                if self._chars <= context.chars + 1:
                    break

    def shown(self, since: int, room: int) -> tuple[tuple[Turn, ...], bool]:
        """The turns to show, as many of the newest as there is room for, and whether they are all of the thread's."""
        turns: list[Turn] = []
        whole = True
        for said in reversed(self.said):
            if said.moment < since:
                continue
            if said.turn is None:
                whole = False
                continue
            if said.chars > room:
                return tuple(reversed(turns)), False
            turns.append(said.turn)
            room -= said.chars + 1
        return tuple(reversed(turns)), whole

    def _blank(self, said: _Said) -> None:
        if said.turn is not None:
            said.turn = None
            self._chars -= said.chars + 1
            self.bytes -= said.bytes


def _moment(record: Record) -> int:
    """When a message was said; one without a timestamp is never too old."""
    return _ALWAYS if record.timestamp_ms is None else record.timestamp_ms


def _short(key: Key) -> Key:
    """A key that takes little memory, whatever a producer made of it. What is hashed is longer than what is not."""
    if len(key) <= _LONGEST_KEY:
        return key
    return b"#" + hashlib.sha512(key if isinstance(key, bytes) else key.encode("utf-8", "surrogatepass")).digest()


def _size(turn: Turn) -> int:
    """Bytes of what a turn holds."""
    name = 0 if turn.name is None else getsizeof(turn.name)
    if isinstance(turn.content, str):
        return name + getsizeof(turn.content)
    texts = (text for part in turn.content for text in (part.type, part.text) if text is not None)
    return name + sum(map(getsizeof, texts)) + _PART_BYTES * len(turn.content)
