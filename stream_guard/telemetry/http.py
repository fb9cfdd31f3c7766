"""One small HTTP port for those who watch: /metrics, /started, /live, /ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeAlias

from aiohttp import web, web_response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from stream_guard.errors import InvariantViolated, StartRefused
from stream_guard.telemetry.guests import Guests

Check: TypeAlias = Callable[[], str | None]
"""Why not, or None where all is well. Called on the loop's thread; never blocks."""

Facts: TypeAlias = Callable[[], Mapping[str, str]]
"""What else an answer says."""

_GRACE_S = 1.0
_BOUNDS: Mapping[str, Any] = {
    "max_headers": 64, "auto_decompress": False, "lingering_time": 0.0, "handler_cancellation": True,
}  # fmt: skip
"""No body is read, let alone decompressed: nothing that is served takes one. Who hangs up is not worked for."""

# Nobody has to know which versions it runs on; aiohttp's own answers to what is no request say it, too.
web_response.SERVER_SOFTWARE = "stream_guard"  # type: ignore[attr-defined]


class ObservabilityServer:
    """Serves while its context is open. A loop that hangs does not answer, which is what a liveness probe is to find.

    `/started`, `/live` and `/ready` answer 200 `{"status": "ok"}`, with a `note` where there is one (partitions that are halted, say), or 503
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
        started: Check = lambda: None,
    ) -> None:
        self._host = host
        self._port = port
        self._registry = registry
        app = web.Application(middlewares=[_one_answer])
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/started", _probe(started, lambda: None, dict))
        app.router.add_get("/live", _probe(live, note, dict))
        app.router.add_get("/ready", _probe(ready, note, facts))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_S, **_BOUNDS)
        self._encoding = asyncio.Lock()
        self._pages: dict[str, asyncio.Task[bytes]] = {}
        """The pages of metrics that are being made, by content type."""
        self._open = AsyncExitStack()
        self._listening: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once open; where 0 was asked for, the one that was free."""
        listening = self._listening.sockets if self._listening is not None else ()
        return int(listening[0].getsockname()[1]) if listening else self._port

    async def __aenter__(self) -> Self:
        """Listens. Raises StartRefused where the address can't be had."""
        async with AsyncExitStack() as opening:
            opening.push_async_callback(self._runner.cleanup)
            await self._runner.setup()
            guests = Guests(_server_of(self._runner))
            try:
                listening = await asyncio.get_running_loop().create_server(guests, self._host, self._port)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise StartRefused(f"metrics and health can't listen on {self._host}:{self._port}: {reason}") from error
            opening.callback(listening.close)
            watching = asyncio.create_task(guests.watch())
            opening.callback(watching.cancel)
            self._listening, self._open = listening, opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops listening; requests under way have a second to end."""
        await self._open.aclose()

    async def _metrics(self, request: web.Request) -> web.Response:
        """However many ask, one page is made for them: it takes one thread, and nobody waits for the pages of others."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        page = self._pages.get(content_type)
        if page is None:
            page = self._pages[content_type] = asyncio.create_task(self._encode(encode))
            page.add_done_callback(lambda _: self._pages.pop(content_type, None))
        body = await asyncio.shield(page)  # who hangs up does not end it for the others
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _encode(self, encode: Callable[[CollectorRegistry], bytes]) -> bytes:
        async with self._encoding:
            return await asyncio.to_thread(encode, self._registry)  # reads /proc, and must not hold up the loop


def _server_of(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise InvariantViolated("the runner was not set up")
    return runner.server


@web.middleware
async def _one_answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A connection has one answer: so an old one is a slow one."""
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        answer.force_close()
        raise
    response.force_close()
    return response


def _probe(check: Check, note: Check, facts: Facts) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        reason = check()
        if reason is None:
            noted = note()
            return web.json_response({"status": "ok", **({} if noted is None else {"note": noted}), **facts()})
        return web.json_response({"status": "unavailable", "reason": reason, **facts()}, status=503)

    return answer
