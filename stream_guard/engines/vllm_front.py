"""Feeds one AsyncLLM. Lives on the host's thread as a whole, and imports vLLM: import this module late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import vllm
from msgspec.structs import replace
from vllm import RequestOutput
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs.engine import tokens_input
from vllm.platforms import current_platform
from vllm.v1.engine.async_llm import AsyncLLM

from stream_guard.engines.port import Ask, AskId, Completion, Failure, FailureKind
from stream_guard.engines.vllm_calls import failure, reply, sampling, usage
from stream_guard.engines.vllm_settings import VllmSettings, engine_arguments
from stream_guard.errors import EngineUnavailable

_ABORT_CHECK_S = 5.0
_DEATH_CHECK_S = 0.1
_UNTRACED = f"00-{'f' * 32}-{'f' * 16}-00"
"""What an ask says that is not traced: of one that says nothing vLLM makes a trace of its own."""


class Facts(NamedTuple):
    """What the loaded engine says of itself. `vocabulary` counts the rows of the model's embedding."""

    version: str
    max_model_len: int
    vocabulary: int


class VllmFront:
    """Loads AsyncLLM when made, which blocks; then one task per ask, and batches of completions to `deliver`."""

    def __init__(self, settings: VllmSettings, deliver: Callable[[list[Completion]], None]) -> None:
        self._traced = settings.otlp_traces is not None
        self._deliver = deliver
        arguments = engine_arguments(settings, cpu=current_platform.is_cpu())
        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[AskId, asyncio.Task[None]] = {}
        self._done: list[Completion] = []
        self._cpu_s = time.thread_time()

    @property
    def facts(self) -> Facts:
        """What the loaded engine says of itself."""
        model = self._llm.model_config
        return Facts(vllm.__version__, model.max_model_len, model.get_vocab_size())

    @property
    def dead(self) -> bool:
        """Whether vLLM has noticed that its engine died."""
        return bool(self._llm.errored)

    def take(self, asks: Sequence[Ask], at: float) -> None:
        """Starts asks that were submitted `at` (of time.perf_counter)."""
        for ask in asks:
            self._tasks[ask.id] = self._loop.create_task(self._finish(ask, at))

    def drop(self, ask_ids: Iterable[AskId]) -> None:
        """Aborts asks; nothing is delivered for them any more."""
        for ask_id in ask_ids:
            task = self._tasks.pop(ask_id, None)
            if task is not None:
                task.cancel()

    async def complete(self, asks: Sequence[Ask]) -> list[Completion]:
        """Asks and waits for all, past `deliver`."""
        at = time.perf_counter()
        return list(await asyncio.gather(*(self._complete(ask, at) for ask in asks)))

    async def round_trip(self, timeout_s: float) -> None:
        """Goes through the engine core's busy loop and back. Raises EngineUnavailable where it is dead or hung."""
        call = self._loop.create_task(self._llm.is_sleeping())
        try:
            async with asyncio.timeout(timeout_s):
                while not (call.done() or self.dead):  # vLLM forgets a call that is under way when its engine dies
                    await asyncio.wait({call}, timeout=_DEATH_CHECK_S)
            if call.done():
                call.result()
        except TimeoutError as error:
            raise EngineUnavailable(f"the engine did not answer within {timeout_s:g} s") from error
        except Exception as error:  # a bare one where the engine core is shutting down
            raise EngineUnavailable(f"the engine died ({type(error).__name__})") from error
        finally:
            call.cancel()
        if self.dead:
            raise EngineUnavailable("the engine died")

    async def close(self) -> None:
        """Cancels what is open and ends the engine core."""
        tasks = list(self._tasks.values())
        self.drop(list(self._tasks))
        await asyncio.gather(*tasks, return_exceptions=True)
        self._llm.shutdown(timeout=0)
        await asyncio.sleep(0)  # where the engine died, its sockets are closed by a callback
        self._close_context()

    def _close_context(self) -> None:
        """Ends ZeroMQ's threads, which vLLM leaves to the garbage collector: one set for each engine that was loaded."""
        self._llm.engine_core.resources.ctx.destroy(linger=0)

    async def _finish(self, ask: Ask, at: float) -> None:
        completion = await self._complete(ask, at)
        if self._tasks.pop(ask.id, None) is None:
            return
        self._done.append(completion)
        if len(self._done) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hands on what is complete; each bears an even share of this thread's CPU time since the last batch."""
        batch, self._done = self._done, []
        now = time.thread_time()
        share, self._cpu_s = (now - self._cpu_s) / len(batch), now
        self._deliver([replace(done, usage=replace(done.usage, front_end_s=share)) for done in batch])

    async def _complete(self, ask: Ask, at: float) -> Completion:
        try:
            final = await self._generate(ask)
        except Exception as error:  # noqa: BLE001 - every failure of one ask is a value
            return Completion(ask.id, failure(error, dead=self.dead))
        taken = usage(final, time.perf_counter() - at)
        return Completion(ask.id, reply(ask, final) or await self._given_up(), taken)

    async def _generate(self, ask: Ask) -> RequestOutput:
        prompt, params, trace = tokens_input(ask.prompt), sampling(ask), self._trace(ask)
        final: RequestOutput | None = None
        async for output in self._llm.generate(prompt, params, str(ask.id), trace_headers=trace):
            final = output  # the only one: FINAL_ONLY
        if final is None:
            raise EngineUnavailable("vLLM ended the request without an output")
        return final

    def _trace(self, ask: Ask) -> dict[str, str] | None:
        return {"traceparent": ask.traceparent or _UNTRACED} if self._traced else None

    async def _given_up(self) -> Failure:
        """Tells an engine core that is shutting down, which aborts what it has, from one that gave up one ask."""
        try:
            await self.round_trip(_ABORT_CHECK_S)
        except EngineUnavailable:
            return Failure(FailureKind.UNAVAILABLE, "the engine was ended")
        return Failure(FailureKind.TRANSIENT, "vLLM gave this ask up")
