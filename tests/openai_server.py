"""An OpenAI-compatible server for the tests: real HTTP on 127.0.0.1, answers as the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

MODEL = "served-model"
CONTEXT = 4096
SLOW_S = 1.5
SLOW_TOKENS = 1000
"""A request for at least so many tokens is answered after SLOW_S."""


class OpenAiServer:
    """Speaks /v1/models, /v1/completions and /v1/chat/completions; `status` and `body` replace its answers."""

    def __init__(self) -> None:
        """Answers well until told otherwise."""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.aborted = 0
        self.status = 200
        self.body: bytes | None = None
        self.answer_headers: dict[str, str] = {}
        self.hang: Callable[[], bool] = lambda: False
        """Whether the next request is never answered."""
        self.drop: Callable[[], bool] = lambda: False
        """Whether the next request's connection is cut."""
        self.models: list[dict[str, Any]] = [{"id": MODEL, "max_model_len": CONTEXT}]
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        """Listens, at the same port as before if it did once."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/version", self._version)
        app.router.add_post("/v1/completions", self._answer)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Drops every connection and stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _models(self, request: web.Request) -> web.Response:
        if self.status in (401, 403):
            return web.Response(status=self.status)
        return web.json_response({"object": "list", "data": self.models})

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "0.0.1"})

    async def _answer(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        self.requests.append(asked)
        self.headers.append(dict(request.headers))
        if self.drop() and request.transport is not None:
            request.transport.abort()
        if self.hang():
            await self._wait(60.0)
        if self.status != 200 or self.body is not None:
            return web.Response(
                status=self.status,
                body=self.body or b"{}",
                content_type="application/json",
                headers=self.answer_headers,
            )
        if asked.get("max_tokens", 0) >= SLOW_TOKENS:
            await self._wait(SLOW_S)
        return web.json_response(_chat(asked) if "messages" in asked else _completion(asked))

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.aborted += 1
            raise


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "text": "1", "finish_reason": "stop", "token_ids": [33, 2]}
    if "logprob_token_ids" in asked:
        top = {f"token_id:{label}": -1.0 - n for n, label in enumerate(asked["logprob_token_ids"])}
        choice |= {"finish_reason": "length", "logprobs": {"top_logprobs": [top]}}
    usage = {
        "prompt_tokens": len(asked["prompt"]),
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    return {"choices": [choice], "usage": usage}


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": '{"violation": 1}'}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}}


@asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAiServer]:
    """A server that listens."""
    server = OpenAiServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
