"""The real small model, kept saturated: the pipeline on the real broker beside the bare engine, on one loaded engine.

    python -m loadtest.saturated PLAN

The bare engine is AsyncLLM as vLLM gives it, fed with token ids that were rendered beforehand, by tasks that each ask
again as soon as they are answered: no broker, no verdicts. A round has a window of it at each concurrency, and one of the
pipeline, at another place in every round. Each window has contents of its own, equally distributed, so that no prompt is
found whole in the prefix cache, while the policy's prefix is warm for all.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Iterator
from itertools import count, islice
from typing import Any

import msgspec
from msgspec import Struct

from loadtest.broker import PARTITIONS, fill, job
from loadtest.job import Cost, Job, Reading
from loadtest.messages import samples, texts
from loadtest.service import settings, worked_off
from stream_guard.app import joined, spare_collector
from stream_guard.attaching import attached, kafka_settings
from stream_guard.config import build_routes
from stream_guard.engines.port import Ask, AskId
from stream_guard.engines.vllm import VllmEngine
from stream_guard.events.model import Message, View
from stream_guard.events.render import judged
from stream_guard.health import Status
from stream_guard.judges import Choice, choose, warmed
from stream_guard.policy.load import load_policies
from stream_guard.prompting.port import Template
from stream_guard.routing import Routes
from stream_guard.telemetry.logs import configure_logging
from stream_guard.telemetry.otel import OtelTelemetry
from tests.fixtures_kafka import Kafka

ENGINE = {"kind": "vllm", "model": "small"}


class Plan(Struct, frozen=True):
    """So many rounds, with so many cases in each window."""

    bootstrap: str
    rounds: int
    cases: int
    concurrencies: tuple[int, ...]


class Window(Struct, frozen=True):
    """What one window took. `front_s` is the CPU of the thread that calls vLLM, in seconds."""

    cost: Cost
    front_s: float
    concurrency: int = 0

    @property
    def front_ms(self) -> float:
        """Front-end CPU for one case, in milliseconds."""
        return self.front_s / self.cost.records * 1e3

    @property
    def front_busy(self) -> float:
        """Which part of the time the front-end thread ran."""
        return self.front_s / self.cost.wall_s


class Round(Struct, frozen=True):
    """The windows of one round; the bare engine's in the order of their concurrency."""

    pipeline: Window
    bare: tuple[Window, ...]

    @property
    def best(self) -> Window:
        """The bare engine's best window: the baseline."""
        return max(self.bare, key=lambda window: window.cost.rate)


class Bare:
    """AsyncLLM inside of a loaded engine, without the adapter around it."""

    def __init__(self, engine: VllmEngine, choice: Choice, template: Template) -> None:
        host = engine._host  # noqa: SLF001 - what is measured is the adapter, so the baseline must reach below it
        if host is None:
            raise RuntimeError("the engine is not loaded")
        self._there = host._there  # noqa: SLF001
        self._llm: Any = host._up()._llm  # noqa: SLF001
        self._choice, self._template = choice, template
        self._ids = count()

    async def cpu_s(self) -> float:
        """CPU time of the front-end thread so far."""
        return await self._there(_thread_s())

    async def window(self, seed: int, cases: int, concurrency: int) -> Window:
        """Asks for so many judgements, so many at a time."""
        contents = [judged(Message(content=text), View.MESSAGE) for text in islice(texts(seed), cases)]
        rendered = self._choice.renderer.render(self._template, contents)
        asks = [Ask(AskId(next(self._ids)), one.prompt, self._template.read) for one in rendered]
        return await _measured(self, self._ask_all(iter(asks), cases, concurrency), concurrency)

    async def _ask_all(self, asks: Iterator[Ask], cases: int, concurrency: int) -> Cost:
        start = Reading.now()
        await self._there(self._ask_side_by_side(asks, concurrency))
        return Cost.since(start, cases)

    async def _ask_side_by_side(self, asks: Iterator[Ask], concurrency: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(self._ask_on_and_on(asks))

    async def _ask_on_and_on(self, asks: Iterator[Ask]) -> None:
        from vllm.inputs.engine import tokens_input  # noqa: PLC0415 - once the engine has set vLLM's environment

        from stream_guard.engines.vllm_calls import sampling  # noqa: PLC0415

        for ask in asks:
            async for _ in self._llm.generate(tokens_input(ask.prompt), sampling(ask), f"bare-{ask.id}"):
                pass


async def _thread_s() -> float:
    return time.thread_time()


async def _measured(bare: Bare, window: Awaitable[Cost], concurrency: int = 0) -> Window:
    before = await bare.cpu_s()
    cost = await window
    return Window(cost, await bare.cpu_s() - before, concurrency)


class Piped:
    """The pipeline as the service builds it, around an engine that is loaded already."""

    def __init__(self, kafka: Kafka, engine: VllmEngine, choice: Choice, bare: Bare) -> None:
        self._kafka, self._engine, self._choice, self._bare = kafka, engine, choice, bare

    async def window(self, seed: int, cases: int) -> Window:
        """Judges a topic of so many messages."""
        topic = self._kafka.topic(PARTITIONS)
        await asyncio.to_thread(fill, self._kafka, topic, samples(seed, cases))
        with job(self._kafka, topic, cases) as work:
            return await self._work_off(work)

    async def _work_off(self, work: Job) -> Window:
        chosen = settings(work, ENGINE)
        kafka = kafka_settings(chosen)
        routes = _routes(work, self._choice)
        cluster = await asyncio.to_thread(attached, chosen, kafka, routes, True)
        async with joined(
            chosen, kafka, routes, cluster, self._choice, self._engine, OtelTelemetry(), Status()
        ) as pipeline:
            running = asyncio.create_task(pipeline.run())
            window = await _measured(self._bare, worked_off(pipeline, work.records))
            pipeline.stop()
            await running
        return window


def _routes(work: Job, choice: Choice) -> Routes:
    chosen = settings(work, ENGINE)
    return build_routes(chosen, load_policies(chosen.policies), choice.renderer)


async def measure(plan: Plan) -> list[Round]:
    """Loads the engine once and carries the plan out."""
    kafka = Kafka(plan.bootstrap)
    blank = Job(plan.bootstrap, "t", "g", "v", "r", "d", 0)
    choice = choose(settings(blank, ENGINE))
    template = _routes(blank, choice).all[0].templates[View.MESSAGE][0]
    async with warmed(choice, [template], _silent) as engine:
        if not isinstance(engine, VllmEngine):
            raise TypeError("the small model runs on vLLM")
        bare = Bare(engine, choice, template)
        piped, seeds = Piped(kafka, engine, choice, bare), count(1_000)
        await bare.window(next(seeds), 64, 32)  # kernels and allocators of full batches are warm, too
        spare_collector()
        return [await _round(plan, number, bare, piped, seeds) for number in range(plan.rounds)]


async def _round(plan: Plan, number: int, bare: Bare, piped: Piped, seeds: Iterator[int]) -> Round:
    piped_at = number % (len(plan.concurrencies) + 1)
    before = [await bare.window(next(seeds), plan.cases, at_once) for at_once in plan.concurrencies[:piped_at]]
    pipeline = await piped.window(next(seeds), plan.cases)
    after = [await bare.window(next(seeds), plan.cases, at_once) for at_once in plan.concurrencies[piped_at:]]
    return Round(pipeline, (*before, *after))


def _silent(*_: object, **__: object) -> None:
    pass


if __name__ == "__main__":
    configure_logging("WARNING")
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(measure(msgspec.json.decode(sys.argv[1], type=Plan)))))
