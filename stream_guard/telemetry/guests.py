"""Who is connected to the HTTP port: few at a time, each for a short while, so that nobody keeps the probes out by holding on."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from aiohttp import web

MOST: Final = 64
"""Connections. For one more the oldest has to go: a probe takes milliseconds, so the oldest is never one."""
LONGEST_S: Final = 15.0
"""How long a connection may take, from its beginning to the end of its only answer. A scrape has 10 s by default."""
_LOOK_S: Final = 1.0


class Guests:
    """Makes the protocol of each connection that a server takes, and ends those that are too many or take too long.

    aiohttp itself waits for ever for the first request of a connection, and for a client that does not read.
    """

    def __init__(self, server: web.Server, *, most: int = MOST, longest_s: float = LONGEST_S) -> None:
        self._server = server
        self._most = most
        self._longest_s = longest_s
        self._since: dict[object, float] = {}

    def __call__(self) -> asyncio.BaseProtocol:
        """For one more connection. Several that come at once, as many as the kernel's queue holds, may be too many until the next."""
        connections = self._server.connections
        for oldest in connections[: max(0, len(connections) + 1 - self._most)]:
            _end(oldest)
        return self._server()

    async def watch(self) -> None:
        """Looks, until it is cancelled."""
        while True:
            await asyncio.sleep(min(_LOOK_S, self._longest_s))
            now = time.monotonic()
            self._since = {guest: self._since.get(guest, now) for guest in self._server.connections}
            for guest, since in self._since.items():
                if now - since > self._longest_s:
                    _end(guest)


def _end(guest: Any) -> None:
    if guest.transport is not None:
        guest.transport.abort()  # to close it politely would wait for a client that does not read
