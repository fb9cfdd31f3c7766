"""One suite for every engine: scripted, one behind real HTTP, and vLLM itself."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count

import pytest
import pytest_asyncio

from stream_guard.engines.openai import OpenAiSettings, openai_engine
from stream_guard.engines.port import (
    Ask,
    AskId,
    Completion,
    Engine,
    Failure,
    FailureKind,
    LabelRead,
    Labels,
    Read,
    Text,
    TextRead,
)
from stream_guard.engines.scripted import scripted_engine
from stream_guard.engines.scripts import ShareScript
from stream_guard.engines.vllm import VllmEngine
from stream_guard.errors import EngineUnavailable
from tests.openai_server import MODEL, SLOW_S, SLOW_TOKENS, openai_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

LABELS = LabelRead((11, 12))
SHORT = TextRead(max_tokens=4, stop_ids=(2,))
SLOW = TextRead(max_tokens=SLOW_TOKENS, stop_ids=(2,))
RECOVERY_S = 500.0
_ids = count(1)


@dataclass(frozen=True)
class Bench:
    """An engine under test, and how it is taken down and brought back."""

    engine: Engine
    take_down: Callable[[], Awaitable[None]]
    bring_back: Callable[[], Awaitable[None]]


def make_ask(read: Read = LABELS, *, length: int = 40, traceparent: str | None = None) -> Ask:
    """An ask that no other test has made."""
    ask_id = next(_ids)
    return Ask(AskId(ask_id), [100 + (ask_id * 7 + n) % 1000 for n in range(length)], read, traceparent=traceparent)


async def gather(engine: Engine, wanted: int, *, within_s: float = 60.0) -> list[Completion]:
    """The next completions, as many as wanted at least."""
    found: list[Completion] = []
    async with asyncio.timeout(within_s):
        while len(found) < wanted:
            found.extend(await engine.completions())
    return found


async def quiet(engine: Engine, seconds: float = 0.3) -> list[Completion]:
    """What comes within a while in which nothing should."""
    try:
        async with asyncio.timeout(seconds):
            return list(await engine.completions())
    except TimeoutError:
        return []


async def healthy_again(engine: Engine) -> None:
    """Waits until a health check passes."""
    async with asyncio.timeout(RECOVERY_S):
        while True:
            try:
                await engine.health()
            except EngineUnavailable:
                await asyncio.sleep(0.5)
            else:
                return


def ids(completions: Sequence[Completion | Ask]) -> list[int]:
    """The asks' ids in order."""
    return sorted(each.id if isinstance(each, Ask) else each.ask_id for each in completions)


class EngineContract:
    """What every engine promises."""

    async def test_every_ask_gets_exactly_one_completion(self, bench: Bench) -> None:
        """Of many asks at once each is completed once, whatever it reads."""
        asks = [make_ask(read) for _ in range(10) for read in (LABELS, SHORT)]
        bench.engine.submit(asks)
        assert ids(await gather(bench.engine, len(asks))) == ids(asks)
        assert await quiet(bench.engine) == []

    async def test_submitting_nothing_completes_nothing(self, bench: Bench) -> None:
        """An empty list of asks is no ask."""
        bench.engine.submit([])
        assert await quiet(bench.engine) == []

    async def test_asks_join_while_others_are_open(self, bench: Bench) -> None:
        """The engine is fed continuously: a second list needs not wait for the first."""
        first, second = [make_ask(SHORT) for _ in range(4)], [make_ask() for _ in range(4)]
        bench.engine.submit(first)
        bench.engine.submit(second)
        assert ids(await gather(bench.engine, 8)) == ids([*first, *second])

    async def test_a_label_read_answers_with_the_labels_log_probabilities(self, bench: Bench) -> None:
        """Both labels are reported, as log-probabilities of the whole vocabulary."""
        bench.engine.submit([make_ask()])
        (done,) = await gather(bench.engine, 1)
        assert isinstance(done.reply, Labels)
        assert set(done.reply.logprobs) == set(LABELS.label_ids)
        assert all(logprob < 0.0 for logprob in done.reply.logprobs.values())
        assert done.usage.prompt_tokens == 40

    async def test_a_text_read_answers_with_text(self, bench: Bench) -> None:
        """A text is token ids or a string."""
        bench.engine.submit([make_ask(SHORT)])
        (done,) = await gather(bench.engine, 1)
        assert isinstance(done.reply, Text)
        assert done.reply.token_ids or done.reply.text

    async def test_the_same_prompt_gets_the_same_reply(self, bench: Bench) -> None:
        """Nothing is drawn by chance."""
        one = make_ask(SHORT)
        bench.engine.submit([one])
        first = await gather(bench.engine, 1)
        bench.engine.submit([one])
        assert (await gather(bench.engine, 1))[0].reply == first[0].reply

    async def test_a_slow_ask_delays_no_other(self, bench: Bench) -> None:
        """Quick asks that came later are answered while a slow one is at work."""
        slow, quick = make_ask(SLOW), [make_ask() for _ in range(8)]
        bench.engine.submit([slow])
        bench.engine.submit(quick)
        began = time.monotonic()
        early = await gather(bench.engine, len(quick))
        took = time.monotonic() - began
        assert slow.id not in ids(early)
        rest = await gather(bench.engine, 1)
        assert ids([*early, *rest]) == ids([slow, *quick])
        assert took < time.monotonic() - began

    async def test_a_cancelled_ask_is_not_completed(self, bench: Bench) -> None:
        """Nobody waits for it, and others go on."""
        slow, other = make_ask(SLOW), make_ask()
        bench.engine.submit([slow, other])
        bench.engine.cancel([slow.id])
        assert ids(await gather(bench.engine, 1)) == [other.id]
        assert await quiet(bench.engine, SLOW_S + 0.5) == []

    async def test_cancelling_what_is_not_open_does_nothing(self, bench: Bench) -> None:
        """A completion may be on its way while its ask is cancelled."""
        bench.engine.cancel([AskId(-1)])
        await bench.engine.health()

    async def test_a_prompt_beyond_the_context_is_too_long(self, bench: Bench) -> None:
        """The ask fails alone, and says why."""
        long, other = make_ask(length=bench.engine.identity.max_model_len), make_ask()
        bench.engine.submit([long, other])
        replies = {done.ask_id: done.reply for done in await gather(bench.engine, 2)}
        failure = replies[long.id]
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.TOO_LONG
        assert isinstance(replies[other.id], Labels)

    async def test_a_cancelled_wait_loses_no_completion(self, bench: Bench) -> None:
        """What arrives while nobody waits is there for the next who does."""
        waiting = asyncio.ensure_future(bench.engine.completions())
        await asyncio.sleep(0)
        asks = [make_ask(SHORT) for _ in range(3)]
        bench.engine.submit(asks)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ids(await gather(bench.engine, 3)) == ids(asks)

    async def test_asks_and_completions_survive_pickling(self, bench: Bench) -> None:
        """An engine in another process would be one more adapter."""
        ask = make_ask(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        bench.engine.submit([pickle.loads(pickle.dumps(ask))])  # noqa: S301 - made just here
        (done,) = await gather(bench.engine, 1)
        assert pickle.loads(pickle.dumps(done)) == done  # noqa: S301 - made just here

    async def test_the_identity_says_who_judges(self, bench: Bench) -> None:
        """Name, version, model, manifest and context length are known."""
        identity = bench.engine.identity
        assert all((identity.name, identity.version, identity.model, identity.manifest))
        assert identity.max_model_len > 0

    async def test_an_outage_fails_what_is_open_and_ends(self, bench: Bench) -> None:
        """Open asks end as what they were in an outage, health raises while it lasts, and then both are well again."""
        slow = make_ask(SLOW)
        bench.engine.submit([slow])
        await asyncio.sleep(0.2)
        await bench.take_down()
        (done,) = await gather(bench.engine, 1)
        assert done.ask_id == slow.id
        assert _kind(done) in (FailureKind.UNAVAILABLE, FailureKind.DIED)
        with pytest.raises(EngineUnavailable):
            await bench.engine.health()
        late = make_ask()
        bench.engine.submit([late])
        (done,) = await gather(bench.engine, 1)
        assert (done.ask_id, _kind(done)) == (late.id, FailureKind.UNAVAILABLE)
        await bench.bring_back()
        await healthy_again(bench.engine)
        bench.engine.submit([slow, late])
        assert ids(await gather(bench.engine, 2)) == ids([slow, late])


def _kind(done: Completion) -> FailureKind | None:
    return done.reply.kind if isinstance(done.reply, Failure) else None


def _scripted_delay(ask: Ask) -> float:
    return SLOW_S if isinstance(ask.read, TextRead) and ask.read.max_tokens >= SLOW_TOKENS else 0.0


class TestScripted(EngineContract):
    """The scripted engine."""

    @pytest_asyncio.fixture(loop_scope="session")
    async def bench(self) -> AsyncIterator[Bench]:
        """A scripted engine that is slow where the suite wants it."""
        async with scripted_engine(ShareScript(), _scripted_delay) as engine:

            async def take_down() -> None:
                engine.outage()

            async def bring_back() -> None:
                engine.recover()

            yield Bench(engine, take_down, bring_back)


class TestOpenAi(EngineContract):
    """The engine behind HTTP, against a server in this process."""

    @pytest_asyncio.fixture(loop_scope="session")
    async def bench(self) -> AsyncIterator[Bench]:
        """An engine and its server, which stops listening in an outage."""
        async with openai_server() as server:
            settings = OpenAiSettings(base_url=server.base_url, model=MODEL, manifest="m", connect_timeout_s=2.0)
            async with openai_engine(settings) as engine:
                yield Bench(engine, server.stop, server.start)


@pytest.mark.vllm
class TestVllm(EngineContract):
    """VLLM on the tiny model."""

    @pytest.fixture
    def bench(self, vllm_tiny: VllmEngine) -> Bench:
        """The shared engine, whose core is killed in an outage; a health check loads it again."""

        async def take_down() -> None:
            os.kill(vllm_tiny.pids[0], signal.SIGKILL)

        async def bring_back() -> None:
            await asyncio.sleep(0)

        return Bench(vllm_tiny, take_down, bring_back)
