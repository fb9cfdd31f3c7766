"""Asks a running service how it is: what `/metrics` and `/ready` say, read by somebody else over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

import aiohttp

from stream_guard.telemetry.exposition import Page, read_page

TIMEOUT_S = 5.0
"""How long an answer may take: an engine that loads keeps the interpreter for seconds."""
_LARGEST_PAGE = 8 * 1024 * 1024
"""Bytes: 20,000 partitions have room."""
_LARGEST_PROBE = 64 * 1024
_OK, _REDIRECTS, _WRONG, _UNAVAILABLE = 200, 300, 400, 503
_HEADERS = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
"""Without exemplars and without compression: what comes is as large as it says."""


class Readiness(NamedTuple):
    """What `/ready` says: why the service is not ready, and what is to be known besides."""

    reason: str | None
    note: str | None


class Answer(NamedTuple):
    """A service answered, `at` seconds of the loop's clock. `ready` is None where it does not say whether it is ready."""

    at: float
    page: Page
    ready: Readiness | None


class Silence(NamedTuple):
    """No stream_guard answered. `why` ends a sentence that begins with the address; it quotes nothing that came."""

    at: float
    why: str


Heard: TypeAlias = Answer | Silence


class Scraper:
    """Asks services. Each question has a connection of its own: a port-forward may lead elsewhere the next time."""

    def __init__(self, session: aiohttp.ClientSession, timeout_s: float) -> None:
        self._session = session
        self._timeout_s = timeout_s

    async def ask(self, address: str) -> Heard:
        """Asks the service at an address without a trailing slash. Whatever comes of it is a value; takes `timeout_s` at most."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._timeout_s):
                page = await self._page(address)
                at = clock()
                return Silence(at, page) if isinstance(page, str) else Answer(at, page, await self._readiness(address))
        except TimeoutError:
            return Silence(clock(), f"nothing came within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Silence(clock(), _why(error))

    async def _page(self, address: str) -> Page | str:
        """The metrics, or why what came is of no use."""
        async with self._session.get(f"{address}/metrics", allow_redirects=False) as answer:
            if answer.status != _OK:
                return _status(answer.status)
            body = await _body(answer, _LARGEST_PAGE)
        if body is None:
            return f"answers with more than {_LARGEST_PAGE // 1024**2} MiB: this is no stream_guard"
        if body.lstrip()[:1] == b"<":
            return "answers with a web page, not with metrics: this is no stream_guard"
        page = read_page(body.decode("utf-8", "replace"))
        if page is None:
            return "answers with something else than metrics: this is no stream_guard"
        return page if page.ours else "has metrics, but none of stream_guard: this is another service"

    async def _readiness(self, address: str) -> Readiness | None:
        async with self._session.get(f"{address}/ready", allow_redirects=False) as answer:
            if answer.status not in {_OK, _UNAVAILABLE}:
                return None
            body = await _body(answer, _LARGEST_PROBE)
        try:
            told = json.loads(body or b"")
        except (ValueError, RecursionError):
            return None
        if not isinstance(told, dict):
            return None
        reason = None if answer.status == _OK else str(told.get("reason") or "it does not say why")
        note = told.get("note")
        return Readiness(reason, note if isinstance(note, str) else None)


@asynccontextmanager
async def scraper(timeout_s: float = TIMEOUT_S) -> AsyncIterator[Scraper]:
    """Opens one."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
    ) as session:
        yield Scraper(session, timeout_s)


async def _body(answer: aiohttp.ClientResponse, largest: int) -> bytes | None:
    """What came; None where it is larger."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > largest:
            return None
    return bytes(body)


def _status(status: int) -> str:
    if _REDIRECTS <= status < _WRONG:
        return f"sends elsewhere (HTTP {status}), and is not followed there: give the service's own address"
    return f"answers HTTP {status} at /metrics: is this the port that telemetry.http_port names?"


def _why(error: Exception) -> str:
    """An error of the client, in our words: its own may quote what came."""
    return next((why for kinds, why in _WORDS if isinstance(error, kinds)), None) or _unreachable(error)


_WORDS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((aiohttp.ClientConnectorDNSError,), "can't be reached: there is no such host"),
    ((aiohttp.ClientConnectorCertificateError,), "has a certificate that is not trusted here"),
    ((aiohttp.ClientSSLError,), "does not speak TLS: try http://"),
    ((aiohttp.ClientConnectorError,), ""),
    (
        (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError),
        "closed the connection before its answer was whole",
    ),
    ((aiohttp.ClientResponseError, ValueError), "does not answer in HTTP"),
)
"""The first that fits; an empty one is told by the system's own words."""


def _unreachable(error: Exception) -> str:
    """The system's words for an error number quote nothing."""
    number = getattr(error, "errno", None)
    return (
        f"can't be reached: {os.strerror(number).lower()}"
        if isinstance(number, int) and number > 0
        else "can't be reached"
    )
