"""One small HTTP port for those who watch: /metrics, /live, /ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self, TypeAlias

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from stream_guard.errors import StartRefused

Check: TypeAlias = Callable[[], str | None]
"""Why not, or None where all is well. Called on the loop's thread; never blocks."""

Facts: TypeAlias = Callable[[], Mapping[str, str]]
"""What else an answer says."""

_GRACE_S = 1.0


class ObservabilityServer:
    """Serves while its context is open. A loop that hangs does not answer, which is what a liveness probe is to find.

    `/live` and `/ready` answer 200 `{"status": "ok"}`, with a `note` where there is one (partitions that are halted, say), or 503
    `{"status": "unavailable", "reason": ...}`; `/ready` has the `facts` in either answer (which edition is in force). `/metrics` answers in OpenMetrics where the scraper accepts it, else in
    Prometheus' own text format.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        live: Check,
        ready: Check,
        note: Check = lambda: None,
        facts: Facts = dict,
    ) -> None:
        self._host = host
        self._port = port
        self._registry = registry
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/live", _probe(live, note, dict))
        app.router.add_get("/ready", _probe(ready, note, facts))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_S)

    @property
    def port(self) -> int:
        """The port it listens on, once open; where 0 was asked for, the one that was free."""
        addresses = self._runner.addresses
        return int(addresses[0][1]) if addresses else self._port

    async def __aenter__(self) -> Self:
        """Listens. Raises StartRefused where the address can't be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            reason = error.strerror or type(error).__name__
            raise StartRefused(f"metrics and health can't listen on {self._host}:{self._port}: {reason}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops listening; requests under way have a second to end."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = await asyncio.to_thread(encode, self._registry)  # reads /proc, and must not hold up the loop
        return web.Response(body=body, headers={"Content-Type": content_type})


def _probe(check: Check, note: Check, facts: Facts) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        reason = check()
        if reason is None:
            noted = note()
            return web.json_response({"status": "ok", **({} if noted is None else {"note": noted}), **facts()})
        return web.json_response({"status": "unavailable", "reason": reason, **facts()}, status=503)

    return answer
