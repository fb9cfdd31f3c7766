"""Asks an engine the questions of policies, by the same bench that judges records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeVar

from stream_guard.engines.port import Engine
from stream_guard.errors import EngineUnavailable
from stream_guard.events.content import Judged
from stream_guard.judging.bench import Bench
from stream_guard.judging.case import Case, Outcome
from stream_guard.prompting.port import Template

Q = TypeVar("Q", bound="Asked")


class Asked(Protocol):
    """What is asked about, and how."""

    @property
    def template(self) -> Template:
        """Under which prompt."""

    @property
    def judged(self) -> Judged:
        """About which content."""


_TICK_S = 0.2
"""How late an ask that takes too long may be noticed."""


async def ask(questions: Sequence[Q], engine: Engine, bench: Bench[Q]) -> AsyncIterator[Outcome[Q]]:
    """The outcome of each question, as they come. Raises EngineUnavailable where the engine is lost on the way."""
    now = asyncio.get_running_loop().time
    bench.add([Case(question, question.template, question.judged, now(), None) for question in questions], now())
    completions = asyncio.ensure_future(engine.completions())
    try:
        while len(bench):
            admitted = bench.admit(now())
            engine.submit(admitted.asks)
            engine.cancel(admitted.cancel)
            for outcome in admitted.outcomes:
                yield outcome
            await asyncio.wait([completions], timeout=_TICK_S)
            if completions.done():
                settled = bench.completed(completions.result(), now())
                completions = asyncio.ensure_future(engine.completions())
                engine.submit(settled.asks)
                engine.cancel(settled.cancel)
                for outcome in settled.outcomes:
                    yield outcome
                if settled.unavailable is not None:
                    raise EngineUnavailable(settled.unavailable)
            overdue = bench.overdue(now())
            engine.cancel(overdue.cancel)
            for outcome in overdue.outcomes:
                yield outcome
    finally:
        completions.cancel()
