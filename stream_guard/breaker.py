"""The breaker: open while the engine is unavailable. It opens at the first sign of it, and closes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stream_guard.engines.port import Engine
from stream_guard.errors import EngineUnavailable
from stream_guard.telemetry.port import Telemetry


class Breaker:
    """Watches the engine's health every `probe_s` seconds. `opened` is called at every sign of an outage, `closed` once at its end."""

    def __init__(
        self,
        engine: Engine,
        telemetry: Telemetry,
        probe_s: float,
        *,
        opened: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self._engine, self._telemetry, self._probe_s = engine, telemetry, probe_s
        self._opened, self._closed = opened, closed
        self.reason: str | None = None
        """Why the engine is unavailable, None while it is not."""

    def trip(self, reason: str) -> None:
        """An ask came back because the engine is unavailable, or a probe found it so."""
        self._opened()
        if self.reason is None:
            self._telemetry.engine_up(up=False, reason=reason)
        self.reason = reason

    async def watch(self) -> None:
        """Probes for ever."""
        while True:
            try:
                await self._engine.health()
            except EngineUnavailable as error:
                self.trip(str(error))
            else:
                self._close()
            await asyncio.sleep(self._probe_s)

    def _close(self) -> None:
        if self.reason is not None:
            self.reason = None
            self._telemetry.engine_up(up=True)
            self._closed()
