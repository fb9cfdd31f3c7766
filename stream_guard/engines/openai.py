"""An engine behind HTTP: any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Literal

import aiohttp
import msgspec
from msgspec import Struct

from stream_guard.engines.completions import Mailbox
from stream_guard.engines.openai_gate import SHORT_S, Gate
from stream_guard.engines.openai_wire import (
    ServedModel,
    answered,
    chat_body,
    completions_body,
    models,
    refused,
    unfit,
)
from stream_guard.engines.port import Ask, AskId, Completion, EngineIdentity, Failure, FailureKind, TextRead, Usage
from stream_guard.errors import EngineUnavailable

_DEFAULT_MAX_LEN = 131_072
_UNKNOWN = "unknown"
_KEEP_ALIVE_S = 4.0
"""Less than the 5 s of uvicorn, and so of vLLM's server: a connection that the server closes just then would fail an ask."""
_MOST = 16_777_216
"""Bytes of one answer."""


class OpenAiSettings(Struct, frozen=True, kw_only=True):
    """Settings of an OpenAI-compatible server. Times are in seconds. `repr` masks the API key."""

    base_url: str
    """With its version, such as http://127.0.0.1:8000/v1."""
    model: str
    """What the server calls the model."""
    api: Literal["completions", "chat"] = "completions"
    """`completions` sends token ids, which no content can break out of; `chat` leaves rendering to the server."""
    api_key: str | None = None
    manifest: str = ""
    max_model_len: int | None = None
    """Prompt and reply in tokens; asked of the server if None (vLLM's tells), else 131,072."""
    max_connections: int = 64
    connect_timeout_s: float = 5.0
    request_timeout_s: float = 120.0
    health_timeout_s: float = 10.0
    extra: Mapping[str, Any] = {}
    """Further fields of every request body, which win over ours."""

    def __repr__(self) -> str:
        key = None if self.api_key is None else "***"
        return f"OpenAiSettings(base_url={self.base_url!r}, model={self.model!r}, api={self.api!r}, api_key={key})"


class OpenAiEngine:
    """Sends each ask as one request, at most `max_connections` at a time."""

    def __init__(self, settings: OpenAiSettings, session: aiohttp.ClientSession, identity: EngineIdentity) -> None:
        self._settings = settings
        self._session = session
        self._identity = identity
        self._mailbox = Mailbox()
        self._tasks: dict[AskId, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._gate = Gate()
        self._path = "/completions" if settings.api == "completions" else "/chat/completions"

    @property
    def identity(self) -> EngineIdentity:
        """Who judges."""
        return self._identity

    def submit(self, asks: Sequence[Ask]) -> None:
        """Takes asks; see the port."""
        loop = asyncio.get_running_loop()
        for ask in asks:
            failure = unfit(ask, self._settings.api, self._identity.max_model_len)
            if failure is not None:
                self._mailbox.put([Completion(ask.id, failure, Usage(prompt_tokens=len(ask.prompt)))])
            else:
                self._tasks[ask.id] = loop.create_task(self._finish(ask))

    async def completions(self) -> Sequence[Completion]:
        """Waits for at least one completion, returns all there are."""
        return await self._mailbox.take()

    def cancel(self, ask_ids: Iterable[AskId]) -> None:
        """Drops requests; the server sees its connection closed, and vLLM's stops work on it."""
        for ask_id in ask_ids:
            task = self._tasks.pop(ask_id, None)
            if task is not None:
                task.cancel()

    async def health(self) -> None:
        """Asks the server for its models. Raises EngineUnavailable where it is unreachable, wants a rest or serves another model."""
        left_s = self._gate.left(time.monotonic())
        if left_s > SHORT_S:
            raise EngineUnavailable(_resting(left_s))
        await _served(self._session, self._settings)

    async def close(self) -> None:
        """Drops what is open."""
        tasks = list(self._tasks.values())
        self.cancel(list(self._tasks))
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self, ask: Ask) -> None:
        at = time.perf_counter()
        async with self._slots:
            completion = await self._wait(ask) or await self._request(ask, at)
        if self._tasks.pop(ask.id, None) is not None:
            self._mailbox.put([completion])

    async def _wait(self, ask: Ask) -> Completion | None:
        """Waits as long as the server asked for; an ask that would wait for long is not sent."""
        while left_s := self._gate.left(time.monotonic()):
            if left_s > SHORT_S:
                return Completion(ask.id, Failure(FailureKind.UNAVAILABLE, _resting(left_s)))
            await asyncio.sleep(left_s)
        return None

    async def _request(self, ask: Ask, at: float) -> Completion:
        try:
            sent = msgspec.json.encode(self._body(ask))
        except UnicodeEncodeError:
            return Completion(ask.id, Failure(FailureKind.REJECTED, "the prompt is no valid Unicode"))
        try:
            async with self._session.post(
                self._settings.base_url + self._path,
                data=sent,
                headers=self._headers(ask),
                timeout=_timeout(self._settings, self._settings.request_timeout_s),
                allow_redirects=False,  # contents go where the operator said, nowhere else
            ) as response:
                body = await _bounded(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Completion(ask.id, _broken(error))
        took = time.perf_counter() - at
        if response.status != HTTPStatus.OK:
            self._gate.close(response.headers.get("Retry-After"), time.monotonic(), time.time())
            return Completion(ask.id, refused(response.status, body), Usage(engine_s=took))
        return Completion(ask.id, *answered(ask, body, took))

    def _body(self, ask: Ask) -> dict[str, Any]:
        if self._settings.api == "chat" and isinstance(ask.read, TextRead):
            body = chat_body(ask, self._settings.model, ask.read)
        else:
            body = completions_body(ask, self._settings.model)
        return body | dict(self._settings.extra)

    def _headers(self, ask: Ask) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        return headers if ask.traceparent is None else headers | {"traceparent": ask.traceparent}

    def __repr__(self) -> str:
        return f"OpenAiEngine({self._settings.model}, {self._settings.api}, {len(self._tasks)} open)"


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """A body, decompressed, as far as any answer goes that was asked for. Raises ClientPayloadError beyond."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > _MOST:
            raise aiohttp.ClientPayloadError("the answer has no end")
    return bytes(body)


def _broken(error: Exception) -> Failure:
    """What a request without an answer means.

    Without a connection (refused, none in time, TLS that fails) it is the engine's fault. A connection that is dropped may mean
    that the server died, of this ask perhaps. No answer in time, or half of one, says little.
    """
    name = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Failure(FailureKind.UNAVAILABLE, f"the server is not reachable ({name})")
    if isinstance(error, TimeoutError):
        return Failure(FailureKind.TRANSIENT, f"the server did not answer in time ({name})")
    if isinstance(error, aiohttp.ClientConnectionError):
        return Failure(FailureKind.DIED, f"the server dropped the connection ({name})")
    return Failure(FailureKind.TRANSIENT, f"the answer broke off ({name})")


def _resting(left_s: float) -> str:
    return f"the server asks to be left alone for {left_s:.0f} s"


def _timeout(settings: OpenAiSettings, total_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total_s, sock_connect=settings.connect_timeout_s)


async def _get(session: aiohttp.ClientSession, settings: OpenAiSettings, url: str) -> bytes:
    try:
        timeout = _timeout(settings, settings.health_timeout_s)
        async with session.get(url, timeout=timeout, allow_redirects=False) as response:
            body = await _bounded(response)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise EngineUnavailable(f"{url} does not answer ({type(error).__name__})") from error
    if response.status != HTTPStatus.OK:
        raise EngineUnavailable(f"{url} answers with status {response.status}")
    return body


async def _served(session: aiohttp.ClientSession, settings: OpenAiSettings) -> ServedModel:
    """The model as the server lists it. Raises EngineUnavailable."""
    url = f"{settings.base_url}/models"
    body = await _get(session, settings, url)
    try:
        listed = models(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EngineUnavailable(f"{url} answers with no list of models") from error
    found = next((model for model in listed if model.id == settings.model), None)
    if found is None:
        raise EngineUnavailable(f"the server does not serve the model {settings.model!r}")
    return found


async def _version(session: aiohttp.ClientSession, settings: OpenAiSettings) -> str:
    """The server's version where it tells (vLLM's does, beside its API)."""
    try:
        body = await _get(session, settings, settings.base_url.removesuffix("/v1") + "/version")
        return str(msgspec.json.decode(body, type=dict[str, Any]).get("version", _UNKNOWN))
    except (EngineUnavailable, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _UNKNOWN


@asynccontextmanager
async def openai_engine(settings: OpenAiSettings) -> AsyncIterator[OpenAiEngine]:
    """Opens an engine behind HTTP. Raises EngineUnavailable where the server can't be reached or lacks the model."""
    settings = msgspec.structs.replace(settings, base_url=settings.base_url.rstrip("/"))
    headers = {} if settings.api_key is None else {"Authorization": f"Bearer {settings.api_key}"}
    connector = aiohttp.TCPConnector(
        limit=settings.max_connections + 1,  # one for health
        keepalive_timeout=_KEEP_ALIVE_S,
    )
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        served = await _served(session, settings)
        identity = EngineIdentity(
            name="openai",
            version=await _version(session, settings),
            model=settings.model,
            manifest=settings.manifest,
            max_model_len=settings.max_model_len or served.max_model_len or _DEFAULT_MAX_LEN,
        )
        engine = OpenAiEngine(settings, session, identity)
        try:
            yield engine
        finally:
            await engine.close()
