"""How the service is: what it waits for, whether it lives, whether it is ready, and whether it was asked to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from stream_guard.pipeline import Pipeline

SILENT_FOR_S = 120.0
"""A poll thread that did not come round for so long beside its drain is taken for dead: longer than its questions take."""
_TIMES = 10
_LEAST_PATIENCE_S = 600.0


def patience_s(*timeouts_s: float) -> float:
    """How long nothing may move before that is taken for a fault of ours: many times the longest that anything may take."""
    return max(_LEAST_PATIENCE_S, _TIMES * max(timeouts_s))


class Status:
    """Answers the probes.

    A deliberate pause (the engine or the registry is unavailable) makes the service not ready, never dead: a restart would
    mend nothing elsewhere, and only load the model again. Dead is what only a new process can mend: a poll thread that stands
    still, an engine in this pod that is beyond repair, and records in flight that nothing stands in the way of and of which none
    moves, for longer than anything may take.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.stop = asyncio.Event()
        self._clock = clock
        self._waiting: str | None = "the configuration"
        self._pipeline: Pipeline | None = None
        self._patience_s = _LEAST_PATIENCE_S
        self._last_poll: Callable[[], float] | None = None
        self._joined: Callable[[], bool] = lambda: True
        self._silent_for_s = SILENT_FOR_S
        self._dependencies: list[Callable[[], str | None]] = []
        self._vital: list[Callable[[], str | None]] = []
        self._notes: list[Callable[[], str | None]] = []
        self._edition: Callable[[], str] | None = None

    def waits_for(self, what: str) -> None:
        """Start-up has come so far."""
        self._waiting = what

    def polls(self, last_poll: Callable[[], float], drain_s: float, joined: Callable[[], bool] = lambda: True) -> None:
        """From now on the poll thread's heartbeat (monotonic seconds) counts. It stands still for a drain, so bounded.

        `joined` says whether this member was given its share of the partitions, be it none.
        """
        self._last_poll, self._joined = last_poll, joined
        self._silent_for_s = SILENT_FOR_S + drain_s

    def depends(self, unavailable: Callable[[], str | None]) -> None:
        """The service is not ready while this says why: records wait for something besides the engine."""
        self._dependencies.append(unavailable)

    def needs(self, beyond_repair: Callable[[], str | None]) -> None:
        """The process should be restarted once this says why."""
        self._vital.append(beyond_repair)

    def in_force(self, edition: Callable[[], str], *notes: Callable[[], str | None]) -> None:
        """From now on this edition is in force, and these are to be known beside it."""
        self._edition = edition
        self._notes += notes

    def runs(self, pipeline: Pipeline, patience_s: float = _LEAST_PATIENCE_S) -> None:
        """Start-up is over. `patience_s` is what the function of that name says."""
        self._waiting = None
        self._pipeline, self._patience_s = pipeline, patience_s

    @property
    def started(self) -> bool:
        """Whether records flow."""
        return self._pipeline is not None

    def starting(self) -> str | None:
        """What the start still waits for, None for good once it is over.

        A start that takes too long is bounded by this, not by `ready`: with a registry that is away a service is started, not
        ready, and to start it anew would only load the model again.
        """
        return None if self._waiting is None else f"waiting for {self._waiting}"

    def live(self) -> str | None:
        """Why the process should be restarted, None where it should not."""
        if self._last_poll is not None:
            silent_s = self._clock() - self._last_poll()
            if silent_s > self._silent_for_s:
                return f"the consumer was not polled for {silent_s:.0f} s"
        if self._pipeline is not None and (still_s := self._pipeline.still_s) > self._patience_s:
            return f"records are in flight, nothing stands in their way, and none has moved for {still_s:.0f} s"
        return next((reason for beyond_repair in self._vital if (reason := beyond_repair()) is not None), None)

    def ready(self) -> str | None:
        """Why the service is not ready, None where it is."""
        if (starting := self.starting()) is not None:
            return starting
        if self.stop.is_set():
            return "stopping"
        if not self._joined():
            return "waiting for the consumer group, or for a topic of it to be made"
        if self._pipeline is not None and self._pipeline.unavailable is not None:
            return f"the engine is unavailable: {self._pipeline.unavailable}"
        if self._pipeline is not None and self._pipeline.nothing_flows:
            return self._halted()
        return next((reason for unavailable in self._dependencies if (reason := unavailable()) is not None), None)

    def note(self) -> str | None:
        """What is to be known beside whether the service is ready: partitions that are halted, an edition that is refused, a policy in
        force that the engine refuses.

        A restart would mend none.
        """
        notes = [self._halted(), *(note() for note in self._notes)]
        return "; ".join(note for note in notes if note is not None) or None

    def facts(self) -> dict[str, str]:
        """What holds whether it is ready or not: the edition in force, once there is one."""
        return {} if self._edition is None else {"edition": self._edition()}

    def _halted(self) -> str | None:
        halts = "" if self._pipeline is None else str(self._pipeline.halts)
        return f"halted: {halts}" if halts else None
