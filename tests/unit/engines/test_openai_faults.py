"""The engine behind HTTP while its server, or the way there, is at fault."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from stream_guard.engines.openai import OpenAiEngine, OpenAiSettings, openai_engine
from stream_guard.engines.openai_gate import Gate, wanted_s
from stream_guard.engines.port import Ask, AskId, Completion, Failure, FailureKind, LabelRead, Labels
from stream_guard.errors import EngineUnavailable
from tests.certificates import Authority
from tests.openai_server import MODEL, OpenAiServer, openai_server

LABELS = LabelRead((450, 790))
WALL = 1_760_000_000.0


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    """A server on 127.0.0.1."""
    async with openai_server() as listening:
        yield listening


def make_settings(server: OpenAiServer, **changes: Any) -> OpenAiSettings:
    """Settings for a server."""
    return OpenAiSettings(**({"base_url": server.base_url, "model": MODEL} | changes))


def make_ask(number: int = 1) -> Ask:
    """An ask."""
    return Ask(AskId(number), [1, 2, 3], LABELS)


async def ended(engine: OpenAiEngine, count: int, within_s: float = 5.0) -> list[Completion]:
    """The next completions."""
    found: list[Completion] = []
    async with asyncio.timeout(within_s):
        while len(found) < count:
            found.extend(await engine.completions())
    return found


async def kind_of_one(engine: OpenAiEngine) -> FailureKind:
    """What one ask fails of."""
    engine.submit([make_ask()])
    (done,) = await ended(engine, 1)
    assert isinstance(done.reply, Failure)
    return done.reply.kind


async def until(met: Callable[[], bool]) -> None:
    """Waits for what nobody tells."""
    async with asyncio.timeout(5.0):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def replaced(server: OpenAiServer, serve: Callable[..., Any], **options: Any) -> AsyncIterator[None]:
    """Something else listens at the server's port."""
    await server.stop()
    other = await asyncio.start_server(serve, "127.0.0.1", server.port, reuse_address=True, **options)
    try:
        yield
    finally:
        other.close()


_GOOD = b'{"choices": [{"index": 0, "logprobs": {"top_logprobs": [{"token_id:450": -0.1, "token_id:790": -2.5}]}}]}'


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"choices": ' + b"[" * 100_000, {}),
        (b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b", " + _GOOD[1:], {}),
        (_GOOD + b" " * 20_000_000, {}),
        (gzip.compress(_GOOD + b" " * 200_000_000, 1), {"Content-Encoding": "gzip"}),
    ],
    ids=["deep", "deep and unknown", "long", "compressed"],
)
async def test_an_answer_without_bounds_fails_its_ask_alone(
    server: OpenAiServer, body: bytes, headers: dict[str, str]
) -> None:
    """Nested without end, or of many megabytes once decompressed: a value like any, and the next ask is answered."""
    async with openai_engine(make_settings(server)) as engine:
        server.body, server.answer_headers = body, headers
        assert await kind_of_one(engine) is FailureKind.TRANSIENT
        server.body, server.answer_headers = _GOOD, {}
        engine.submit([make_ask()])
        assert isinstance((await ended(engine, 1))[0].reply, Labels)


async def test_a_server_that_is_gone_is_unavailable(server: OpenAiServer) -> None:
    """Its connections are refused; once it is back, so are its answers."""
    async with openai_engine(make_settings(server)) as engine:
        await server.stop()
        assert await kind_of_one(engine) is FailureKind.UNAVAILABLE
        with pytest.raises(EngineUnavailable):
            await engine.health()
        await server.start()
        await engine.health()
        engine.submit([make_ask()])
        assert isinstance((await ended(engine, 1))[0].reply, Labels)


async def test_a_server_that_accepts_and_says_nothing_ends_by_the_time_limit(server: OpenAiServer) -> None:
    """A half-open connection: neither an ask nor a health check waits for ever."""
    held: list[Any] = []

    async def mute(*ends: Any) -> None:
        held.append(ends)

    settings = make_settings(server, request_timeout_s=0.2, health_timeout_s=0.2)
    async with openai_engine(settings) as engine, replaced(server, mute):
        assert await kind_of_one(engine) is FailureKind.TRANSIENT
        with pytest.raises(EngineUnavailable, match="does not answer"):
            await engine.health()
        for _, writer in held:
            writer.close()


async def test_a_port_that_answers_no_connection_is_unavailable(server: OpenAiServer) -> None:
    """Its backlog is full, or packets are dropped: the connection is not there in time."""
    async with openai_engine(make_settings(server, connect_timeout_s=0.2, health_timeout_s=0.5)) as engine:
        await server.stop()
        with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            deaf.bind(("127.0.0.1", server.port))
            deaf.listen(0)
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", server.port))
            assert await kind_of_one(engine) is FailureKind.UNAVAILABLE
            with pytest.raises(EngineUnavailable):
                await engine.health()


async def test_tls_that_fails_is_unavailable(server: OpenAiServer) -> None:
    """A server that speaks no TLS, where it is asked for."""
    async with openai_engine(make_settings(server)) as engine:
        engine._settings = make_settings(server, base_url=server.base_url.replace("http:", "https:"))
        assert await kind_of_one(engine) is FailureKind.UNAVAILABLE
        with pytest.raises(EngineUnavailable):
            await engine.health()


async def test_a_certificate_that_nobody_vouches_for_is_unavailable(server: OpenAiServer, tmp_path: Path) -> None:
    """It may be another server: no content goes there."""
    certificate = Authority(tmp_path).issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.pem, certificate.key)
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))
        writer.close()

    async with openai_engine(make_settings(server)) as engine:
        engine._settings = make_settings(server, base_url=server.base_url.replace("http:", "https:"))
        async with replaced(server, listen, ssl=context):
            assert await kind_of_one(engine) is FailureKind.UNAVAILABLE
            with pytest.raises(EngineUnavailable):
                await engine.health()
    assert b"".join(heard) == b""


async def test_a_dropped_connection_may_have_been_the_asks_fault(server: OpenAiServer) -> None:
    """The server may have died of it."""
    async with openai_engine(make_settings(server)) as engine:
        server.drop = lambda: True
        assert await kind_of_one(engine) is FailureKind.DIED


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_burst_of_failures_fails_asks_and_no_more(server: OpenAiServer, status: int) -> None:
    """Whether it is an outage shows in many asks, not in one."""
    async with openai_engine(make_settings(server)) as engine:
        server.status = status
        engine.submit([make_ask(n) for n in range(1, 21)])
        kinds = {done.reply.kind for done in await ended(engine, 20) if isinstance(done.reply, Failure)}
        assert kinds == {FailureKind.TRANSIENT}
        await engine.health()
        server.status = 200
        engine.submit([make_ask()])
        assert isinstance((await ended(engine, 1))[0].reply, Labels)


async def test_asks_that_hang_free_their_connections_when_they_are_given_up(server: OpenAiServer) -> None:
    """One of twenty is never answered: the others are, and a cancelled one makes room, here and at the server."""
    numbers = count(1)
    server.hang = lambda: next(numbers) % 20 == 10
    async with openai_engine(make_settings(server, max_connections=4)) as engine:
        asks = [make_ask(n) for n in range(1, 61)]
        engine.submit(asks[:40])
        done = {completion.ask_id for completion in await ended(engine, 38)}
        hanging = {ask.id for ask in asks[:40]} - done
        assert hanging == set(engine._tasks)
        engine.cancel(hanging)
        await until(lambda: server.aborted == 2)
        server.hang = lambda: False
        engine.submit(asks[40:])
        assert len(await ended(engine, 20)) == 20
        assert (engine._tasks, engine._slots._value) == ({}, 4)


async def test_a_server_that_asks_for_a_moment_gets_it(server: OpenAiServer) -> None:
    """Asks that come meanwhile wait, and none reaches it."""
    async with openai_engine(make_settings(server)) as engine:
        server.status, server.answer_headers = 429, {"Retry-After": "0.3"}
        assert await kind_of_one(engine) is FailureKind.TRANSIENT
        server.status, refused_at = 200, time.monotonic()
        engine.submit([make_ask(n) for n in range(5)])
        await engine.health()
        await asyncio.sleep(0.15)
        assert len(server.requests) == 1
        assert all(isinstance(done.reply, Labels) for done in await ended(engine, 5))
        assert time.monotonic() - refused_at > 0.25


async def test_a_server_that_asks_for_minutes_is_unavailable_so_long(server: OpenAiServer) -> None:
    """No ask's time runs out over it: intake pauses until it is over."""
    async with openai_engine(make_settings(server)) as engine:
        server.status, server.answer_headers = 503, {"Retry-After": "120"}
        assert await kind_of_one(engine) is FailureKind.TRANSIENT
        server.status = 200
        assert await kind_of_one(engine) is FailureKind.UNAVAILABLE
        with pytest.raises(EngineUnavailable, match="left alone for 1"):
            await engine.health()
        assert len(server.requests) == 1


def test_what_a_server_asks_for_is_bounded_and_never_shortened() -> None:
    """A later answer that asks for less takes nothing back; a day is not believed."""
    gate = Gate()
    assert gate.left(10.0) == 0.0
    gate.close("20", 10.0, WALL)
    gate.close("1", 11.0, WALL)
    gate.close(None, 11.0, WALL)
    gate.close("soon", 11.0, WALL)
    assert gate.left(11.0) == 19.0
    gate.close("86400", 11.0, WALL)
    assert gate.left(11.0) == 300.0
    assert gate.left(311.0) == 0.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        (format_datetime(datetime.fromtimestamp(WALL, UTC) + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(datetime.fromtimestamp(WALL, UTC) - timedelta(seconds=30), usegmt=True), 0.0),
        ("", None),
        ("-1", None),
        ("1.2.3", None),
        ("tomorrow", None),
        ("\u0661", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    """As RFC 9110 has it; what is neither says nothing."""
    assert wanted_s(header, WALL) == seconds
