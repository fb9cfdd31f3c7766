"""The HTTP port under those who mean harm: nothing but three answers, little memory, and the probes get through."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from stream_guard.telemetry import guests
from stream_guard.telemetry.http import ObservabilityServer
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.prometheus import registry

pytestmark = pytest.mark.timeout(60)

METHODS = ("OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PRI", "X")
PATHS = (
    "/",
    "//",
    "/metrics/",
    "/metrics/../live",
    "/live%2f",
    "/debug/pprof",
    "/.env",
    "/../etc/passwd",
    "/static",
    "/config",
    "*",
)


def _server(metrics: CollectorRegistry | None = None) -> ObservabilityServer:
    return ObservabilityServer("127.0.0.1", 0, metrics or registry(Metrics()), lambda: None, lambda: None)


@pytest.fixture
async def server() -> AsyncIterator[ObservabilityServer]:
    """A server on a free port."""
    async with _server() as made:
        yield made


async def _said(server: ObservabilityServer, request: bytes) -> bytes:
    """All that comes back until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    with suppress(ConnectionError):  # it may end it before all was sent
        await writer.drain()
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def _live(server: ObservabilityServer) -> bool:
    """Whether a probe gets its answer, as the kubelet asks."""
    return (await _said(server, b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200")


def _connections(server: ObservabilityServer) -> int:
    return len(server._runner.server.connections) if server._runner.server else 0


async def _soon(holds: Callable[[], bool]) -> None:
    """Waits until something holds; else the test's time is up."""
    while not holds():  # noqa: ASYNC110 - the server tells nobody of its connections
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/metrics", "/live", "/ready"])
@pytest.mark.parametrize("method", METHODS)
async def test_only_reading_is_answered(server: ObservabilityServer, method: str, path: str) -> None:
    """Any other method is refused, and the connection ends."""
    answer = await _said(server, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.partition(b" ")[2][:3] in {b"400", b"404", b"405"}


@pytest.mark.parametrize("path", PATHS)
async def test_no_other_path_is_answered(server: ObservabilityServer, path: str) -> None:
    """Nothing is listed, normalised to one of the three, or served from a folder."""
    answer = await _said(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.0 400", b"HTTP/1.1 400"))


async def test_an_answer_names_no_software_and_ends_the_connection(server: ObservabilityServer) -> None:
    """Versions would tell which holes to try."""
    for path in ("/live", "/nowhere"):
        head = (
            (await _said(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())).partition(b"\r\n\r\n")[0].lower()
        )
        assert b"aiohttp" not in head
        assert b"python" not in head
        assert b"connection: close" in head


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /live HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /live HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(1_000)) + b"\r\n",
        b"\x16\x03\x01" + b"a" * 1_000 + b"\r\n\r\n",
        b"GET /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    ],
    ids=["long path", "long header", "many headers", "no http", "smuggled"],
)
async def test_a_request_that_is_too_large_or_none_is_refused(server: ObservabilityServer, request_: bytes) -> None:
    """With 400, and the next one is answered."""
    assert (await _said(server, request_))[:12] in (b"HTTP/1.0 400", b"HTTP/1.1 400")
    assert await _live(server)


async def test_a_body_is_neither_read_nor_decompressed(server: ObservabilityServer) -> None:
    """100 MB that came as 100 kB, and a body without end, get the answer that the path has, at once."""
    bomb = gzip.compress(bytes(100_000_000))
    head = b"%s HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    for line in (b"POST /metrics", b"GET /live"):
        assert (await _said(server, head % (line, 10**12) + bomb))[:12] in (b"HTTP/1.1 405", b"HTTP/1.1 200", b"")
    assert await _live(server)


async def test_many_that_hold_on_do_not_keep_a_probe_out(server: ObservabilityServer) -> None:
    """Ten times as many connections as there may be, none of which ends its request: the oldest go, a probe is answered."""
    held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(10 * guests.MOST)]
    for _, writer in held:
        writer.write(b"GET /live HTTP/1.1\r\nX: ")
    assert await _live(server)
    ended = [asyncio.create_task(reader.read()) for reader, _ in held]
    await _soon(lambda: sum(task.done() for task in ended) >= len(held) - guests.MOST)
    assert sum(not task.done() for task in ended) <= guests.MOST
    assert not ended[-1].done()
    for _, writer in held:
        writer.close()
    await asyncio.gather(*ended, return_exceptions=True)


class Large(Collector):
    """Metrics that do not fit into what the kernel buffers."""

    def collect(self) -> list[GaugeMetricFamily]:
        """20 MB."""
        family = GaugeMetricFamily("large", "large", labels=["name"])
        for number in range(20):
            family.add_metric([f"{number}" + "x" * 1_000_000], 1)
        return [family]


@pytest.mark.parametrize("begun", [b"", b"GET /live HTTP/1.1\r\nX: ", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_who_is_slow_is_cut_off(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """Who asks nothing, who never ends to ask, and who does not read the answer: all lose the connection when their time is up."""
    monkeypatch.setattr(guests.Guests.__init__, "__kwdefaults__", {"most": guests.MOST, "longest_s": 0.2})
    large = CollectorRegistry()
    large.register(Large())
    async with _server(large) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_000)
        writer.write(begun)
        await _soon(lambda: _connections(server) == 1)
        await _soon(lambda: _connections(server) == 0)
        assert await _live(server)
        del reader
        writer.close()


async def test_many_scrapes_take_one_thread() -> None:
    """However many ask for metrics at once, the rest of the process keeps its threads."""
    at_once, most = 0, 0

    class Counting(Collector):
        """Counts who collects."""

        def collect(self) -> list[GaugeMetricFamily]:
            """Takes a moment."""
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            time.sleep(0.005)  # lets go of the interpreter, so that another thread could begin
            at_once -= 1
            return []

    counting = CollectorRegistry()
    counting.register(Counting())
    async with _server(counting) as server:
        request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n"
        formats = b"text/plain", b"application/openmetrics-text; version=1.0.0"
        asked = [request % formats[number % 2] for number in range(guests.MOST // 2)]
        answers = await asyncio.gather(*(_said(server, each) for each in asked))
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert most == 1


async def test_what_a_client_sends_is_in_no_answer_of_a_probe(server: ObservabilityServer) -> None:
    """A probe says what it is told to, and nothing of the request."""
    answer = await _said(server, b"GET /ready?x=marmalade HTTP/1.1\r\nHost: marmalade\r\nX-Y: marmalade\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"status": "ok"}
    assert b"marmalade" not in answer


async def test_as_many_as_may_be_there_hold_on_at_once(server: ObservabilityServer) -> None:
    """And one more ends the oldest alone: a burst does not cut off a probe that was just taken."""
    held = [await asyncio.open_connection("127.0.0.1", server.port)]
    await _soon(lambda: _connections(server) == 1)
    held += [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(guests.MOST - 1)]
    await _soon(lambda: _connections(server) == guests.MOST)
    held.append(await asyncio.open_connection("127.0.0.1", server.port))
    assert await held[0][0].read() == b""
    assert _connections(server) == guests.MOST
    for _, writer in held:
        writer.close()


class Slow(Collector):
    """Metrics that take until they are let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def collect(self) -> list[GaugeMetricFamily]:
        """Waits, but while it is registered."""
        self.begun.set()
        self.let.wait(30)
        return []

    def describe(self) -> list[GaugeMetricFamily]:
        """So that nothing is collected to learn it."""
        return []


async def test_who_hangs_up_is_not_worked_for() -> None:
    """Scrapes that are given up at once leave nothing behind that the next one would have to wait for."""
    slow, metrics = Slow(), CollectorRegistry()
    metrics.register(slow)
    async with _server(metrics) as server:
        for _ in range(3 * guests.MOST):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await writer.drain()
            writer.transport.abort()
        await asyncio.to_thread(slow.begun.wait)
        await _soon(lambda: _connections(server) == 0)
        scrape = asyncio.create_task(_said(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
        await _soon(lambda: _connections(server) == 1)
        slow.let.set()
        assert (await scrape).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("request_", [b"\x16\x03\x01" + b"a" * 1_000 + b"\r\n\r\n", b"GET /live HTTP/9.9\r\n\r\n"])
async def test_what_is_no_request_is_not_told_of_software_either(server: ObservabilityServer, request_: bytes) -> None:
    """Such answers are the library's own."""
    answer = (await _said(server, request_)).lower()
    assert answer
    assert b"aiohttp" not in answer
    assert b"python" not in answer
