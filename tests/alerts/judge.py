"""A model server of the tests that judges as a small model would: now yes, now no, now something else; and that can go away."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from tests.openai_server import OpenAiServer

_UNREADABLE = 0.01
_VIOLATIONS = 0.2


class Judge(OpenAiServer):
    """Answers chats after some milliseconds. One reply in a hundred can't be read; the next one to the same question can."""

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(7)
        self._unread: set[str] = set()
        """Questions that had an unreadable reply."""

    async def _answer(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        await asyncio.sleep(self._random.lognormvariate(-3.5, 0.7))
        verdict = str(int(self._random.random() < _VIOLATIONS))
        question = asked["messages"][-1]["content"]
        unreadable = self._random.random() < _UNREADABLE and question not in self._unread
        if unreadable:
            self._unread.add(question)
        text = "I'd rather not say" if unreadable else verdict
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        prompt = sum(len(turn["content"]) for turn in asked["messages"]) // 4
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": prompt - 20},
        }
        return web.json_response({"choices": [choice], "usage": usage})


class Switch:
    """Takes a judge away and brings it back, from any thread."""

    def __init__(self, judge: Judge, loop: asyncio.AbstractEventLoop) -> None:
        self._judge, self._loop = judge, loop

    def off(self) -> None:
        """Nobody listens any more."""
        asyncio.run_coroutine_threadsafe(self._judge.stop(), self._loop).result(30)

    def on(self) -> None:
        """It listens where it did."""
        asyncio.run_coroutine_threadsafe(self._judge.start(), self._loop).result(30)


@contextmanager
def judge_in_a_thread() -> Iterator[tuple[Judge, Switch]]:
    """One that listens."""
    judge, loop = Judge(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    switch = Switch(judge, loop)
    switch.on()
    try:
        yield judge, switch
    finally:
        switch.off()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
