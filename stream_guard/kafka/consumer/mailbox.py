"""What passes between the event loop and the poll thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Condition

from stream_guard.kafka.consumer.credit import Credit
from stream_guard.records import Lease, Revoking, Signal


class Mailbox:
    """Orders one way, signals the other. Safe from both sides; nothing here blocks the event loop.

    `wake` is called, from the poll thread, when signals wait that nobody was told of.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._changed = Condition()
        self._credit = Credit()
        self._signals: list[Signal] = []
        self._stores: dict[Lease, int] = {}
        self._topics: tuple[str, ...] | None = None
        self._paused: dict[Lease, bool] = {}
        self._suspected: frozenset[str] = frozenset()
        self._leaving: set[Lease] = set()
        self._final: dict[Lease, int] = {}
        self._failure: Exception | None = None
        self._closing = False

    # The event loop's side.

    def grant(self, records: int) -> None:
        """There is room for so many more records."""
        with self._changed:
            self._credit.grant(records)
            self._changed.notify_all()

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """Offsets to store; a later one of the same lease replaces an earlier one."""
        with self._changed:
            self._stores.update(offsets)

    def subscribe(self, topics: Sequence[str]) -> None:
        """The topics to read from now on."""
        with self._changed:
            self._topics = tuple(topics)
            self._changed.notify_all()

    def suspect_topics(self, topics: Collection[str]) -> None:
        """These topics seem to be others than they were: the poll thread is to look."""
        with self._changed:
            self._suspected = self._suspected.union(topics)

    def hold_back(self, leases: Collection[Lease], *, paused: bool) -> None:
        """Whether these leases are to be paused from now on; a later order about the same lease replaces an earlier one."""
        with self._changed:
            self._paused.update(dict.fromkeys(leases, paused))
            self._changed.notify_all()

    def release(self, leases: Collection[Lease], offsets: Mapping[Lease, int]) -> None:
        """Lets leases go that are asked for; an answer that comes too late changes nothing."""
        with self._changed:
            answered = self._leaving.intersection(leases)
            self._final.update((lease, offset) for lease, offset in offsets.items() if lease in answered)
            self._leaving -= answered
            self._changed.notify_all()

    def close(self) -> None:
        """The poll thread ends its loop, waiting for nobody."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def collect(self) -> list[Signal]:
        """All signals so far, in order. Once there are none left, raises what ended the poll thread."""
        with self._changed:
            signals, self._signals = self._signals, []
            if not signals and self._failure is not None:
                raise self._failure
            return signals

    # The poll thread's side.

    @property
    def closing(self) -> bool:
        """Whether the loop is to end."""
        return self._closing

    @property
    def available(self) -> int:
        """Records that may be taken now."""
        with self._changed:
            return self._credit.available

    def reserve(self, limit: int) -> int:
        """Takes up to `limit` of the credit; what is not used must be refunded."""
        with self._changed:
            return self._credit.reserve(limit)

    def refund(self, records: int) -> None:
        """Gives reserved credit back."""
        with self._changed:
            self._credit.refund(records)

    def wait(self, seconds: float) -> None:
        """Returns as soon as there is credit or an order, after `seconds` at the latest."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._credit.available or self._paused or self._topics is not None or self._closing, seconds
            )

    def take_stores(self) -> dict[Lease, int]:
        """The offsets to store since the last call."""
        with self._changed:
            stores, self._stores = self._stores, {}
            return stores

    def take_pauses(self) -> dict[Lease, bool]:
        """The leases to pause (True) or to resume (False) since the last call."""
        with self._changed:
            pauses, self._paused = self._paused, {}
            return pauses

    def take_topics(self) -> tuple[str, ...] | None:
        """The topics to subscribe to, None where they did not change since the last call."""
        with self._changed:
            topics, self._topics = self._topics, None
            return topics

    def take_suspected_topics(self) -> frozenset[str]:
        """The topics that seem to be others than they were, since the last call."""
        with self._changed:
            topics, self._suspected = self._suspected, frozenset()
            return topics

    def post(self, *signals: Signal) -> None:
        """Tells the pipeline; wakes the loop only where it does not know yet that something waits."""
        with self._changed:
            first = not self._signals
            self._signals.extend(signals)
        if first and signals:
            self._wake()

    def hand_over(self, leases: tuple[Lease, ...], seconds: float) -> dict[Lease, int]:
        """Posts `Revoking` and waits, bounded, for `release`. Returns the final offsets of those that were answered."""
        with self._changed:
            self._leaving, self._final = set(leases), {}
        self.post(Revoking(leases))
        with self._changed:
            self._changed.wait_for(lambda: not self._leaving or self._closing, seconds)
            self._leaving = set()
            return self._final

    def fail(self, error: Exception) -> None:
        """The poll thread ended: `collect` raises this."""
        with self._changed:
            self._failure = error
        self._wake()
