"""What is asked of a service, and what else may answer there."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from stream_guard.telemetry.http import ObservabilityServer
from stream_guard.telemetry.prometheus import registry
from stream_guard.telemetry.scraping import Answer, Heard, Readiness, Silence, scraper
from tests.ports import free_port
from tests.watched import make_busy

METRICS = "stream_guard_in_flight_records 3\n"
MARKER = "marmalade-zanzibar"


@asynccontextmanager
async def answering(
    metrics: Callable[[web.Request], Awaitable[web.StreamResponse]], **more: web.Response
) -> AsyncIterator[str]:
    """A server of other people's; `more` are its answers at other paths. Yields its address."""
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    for path, response in more.items():
        app.router.add_get(f"/{path}", _always(response))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(said: bytes) -> AsyncIterator[str]:
    """A server that speaks no HTTP. Yields its address."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _always(response: web.Response) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=response.status, text=response.text, headers=response.headers)

    return answer


async def ask(address: str, timeout_s: float = 20.0) -> Heard:
    """Asks once."""
    async with scraper(timeout_s) as asking:
        return await asking.ask(address)


async def why(address: str, timeout_s: float = 20.0) -> str:
    """Why what answers there is of no use."""
    heard = await ask(address, timeout_s)
    assert isinstance(heard, Silence)
    return heard.why


@pytest.mark.parametrize(
    ("reason", "note", "told"),
    [
        (None, None, Readiness(None, None)),
        (None, "halted: in[0] (x)", Readiness(None, "halted: in[0] (x)")),
        ("stopping", None, Readiness("stopping", None)),
    ],
)
async def test_a_service_tells_its_metrics_and_whether_it_is_ready(
    reason: str | None, note: str | None, told: Readiness
) -> None:
    """The service's own server, with what the service counted."""
    found: CollectorRegistry = registry(make_busy(10).metrics)
    async with ObservabilityServer("127.0.0.1", 0, found, lambda: None, lambda: reason, lambda: note) as server:
        heard = await ask(f"http://127.0.0.1:{server.port}")
    assert isinstance(heard, Answer)
    assert heard.ready == told
    assert heard.page.of("stream_guard_rulings_total") == {
        (("decision", "allow"), ("route", "chat")): 8.0, (("decision", "review"), ("route", "chat")): 2.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "ready",
    [
        web.Response(status=404),
        web.Response(text="ok"),
        web.Response(text='["ok"]'),
        web.Response(text="[" * 60_000),
        web.Response(text=f'{{"status": "{"o" * 70_000}k"}}'),
    ],
)
async def test_a_service_that_does_not_say_whether_it_is_ready_is_an_answer_all_the_same(ready: web.Response) -> None:
    """Its metrics count."""
    async with answering(_always(web.Response(text=METRICS)), ready=ready) as address:
        heard = await ask(address)
    assert isinstance(heard, Answer)
    assert heard.ready is None


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (web.Response(text=f"<!DOCTYPE html><p>{MARKER}", content_type="text/html"), "a web page"),
        (web.Response(text=f'{{"{MARKER}": 1}}'), "something else than metrics"),
        (web.Response(text="node_load1 0.5\n"), "none of stream_guard"),
        (web.Response(text=""), "none of stream_guard"),
        (web.Response(status=404, text=MARKER), "HTTP 404 at /metrics"),
        (web.Response(status=302, headers={"Location": f"http://127.0.0.1:1/{MARKER}"}), "sends elsewhere (HTTP 302)"),
        (web.Response(text=METRICS * 300_000), "more than 8 MiB"),
        (
            web.Response(headers={"Content-Encoding": "gzip"}, body=gzip.compress(METRICS.encode() * 300_000)),
            "more than 8 MiB",
        ),
    ],
)
async def test_what_is_no_service_of_ours_is_told_in_a_sentence_that_quotes_nothing(
    response: web.Response, said: str
) -> None:
    """Pages, other exporters, redirects, and bodies without an end, compressed or not."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = {"body": response.body} if response.body else {"text": response.text}
        return web.Response(status=response.status, headers=response.headers, **body)

    async with answering(answer) as address:
        told = await why(address)
    assert said in told
    assert MARKER not in told


async def test_a_body_without_an_end_is_read_no_further_than_the_limit() -> None:
    """Whoever sends for ever is left."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(METRICS.encode() * 10_000)

    async with answering(drip) as address:
        assert "more than 8 MiB" in await why(address)


async def test_nobody_is_waited_for_longer_than_the_limit() -> None:
    """Neither for a connection's answer nor for its end."""
    asked = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(60)
        return web.Response()

    async with answering(hang) as address:
        assert await why(address, 0.3) == "nothing came within 0.3 s"
    assert asked.is_set()


async def test_where_nobody_listens_the_system_says_so() -> None:
    """A port that was free a moment ago."""
    assert await why(f"http://127.0.0.1:{free_port()}") == "can't be reached: connection refused"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"220 {MARKER} ready\r\n".encode(), "does not answer in HTTP"),
        (b"", "closed the connection before its answer was whole"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nstream_guard_",
            "closed the connection before its answer was whole",
        ),
    ],
)
async def test_what_speaks_no_http_is_told_of_without_a_quote(said: bytes, told: str) -> None:
    """Another protocol's greeting, nothing, half an answer."""
    async with speaking(said) as address:
        assert await why(address) == told


async def test_tls_where_there_is_none_is_told() -> None:
    """The scheme is what is wrong."""
    async with answering(_always(web.Response(text=METRICS))) as address:
        assert await why(address.replace("http://", "https://")) == "does not speak TLS: try http://"
