"""What becomes of a policy that is taken over while the engine runs, and that the engine refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from stream_guard.engines.port import Ask, Completion, Failure, FailureKind, Text, Usage
from stream_guard.engines.scripted import SCRIPTED
from stream_guard.engines.vllm import VllmEngine
from stream_guard.engines.vllm_settings import VllmSettings
from stream_guard.errors import EngineUnavailable
from stream_guard.events.model import View
from stream_guard.policy.document import Policy
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Template
from stream_guard.warming import Warming
from tests.cases import make_policy
from tests.members import LogBook

RENDERER = PlainRenderer()
GOOD = make_policy()
BAD = replace(GOOD, id="odd", instruction="Odd.")
ODD = RENDERER.template(BAD, View.MESSAGE).prefix


class Host:
    """A loaded engine that refuses whatever it is asked under the text of the bad policy, and may be away."""

    def __init__(self) -> None:
        self.away = False

    async def complete(self, asks: Sequence[Ask]) -> list[Completion]:
        """The reply to each. Raises EngineUnavailable while away."""
        if self.away:
            raise EngineUnavailable("it was ended")
        return [Completion(ask.id, self._reply(ask), Usage(prompt_tokens=len(ask.prompt))) for ask in asks]

    def _reply(self, ask: Ask) -> Text | Failure:
        odd = ask.prompt[: len(ODD)] == list(ODD)
        return Failure(FailureKind.REJECTED, "no such grammar") if odd else Text((), "", finished=True)


def make_warming(host: Host) -> tuple[Warming, LogBook]:
    """What warms an engine up, and its log. An engine that is away is asked again at once."""
    engine = VllmEngine(VllmSettings(model="/nowhere"))
    engine._identity, engine._vocabulary = SCRIPTED, 2**40
    engine._host = host  # type: ignore[assignment]  # it is asked for no more
    return Warming(engine, RENDERER, log := LogBook(), again_s=0.0), log


def templates(*policies: Policy) -> list[Template]:
    """As an edition has them."""
    return [RENDERER.template(policy, View.MESSAGE) for policy in policies]


async def until(holds: Callable[[], bool]) -> None:
    """Lets the rest run until this holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what it looks at tells nobody of a change
            await asyncio.sleep(0)


async def test_what_the_engine_refuses_is_named_while_it_is_in_force() -> None:
    """Which policy, and why; not the others, and no longer than until another edition is warm."""
    warming, log = make_warming(Host())
    assert warming.note() is None
    warming.begin(templates(GOOD, BAD))
    await until(lambda: warming.note() is not None)
    assert warming.note() == "refused by the engine: policy odd: the engine does not take its prompt: no such grammar"
    assert log.events() == ["engine.warming", "engine.not_warmed"]
    warming.begin(templates(GOOD))
    await until(lambda: warming._task is not None and warming._task.done())
    assert (warming.note(), log.events()[2:]) == (None, ["engine.warming"])


async def test_another_refused_edition_is_named_for_its_own() -> None:
    """An edit that mends nothing."""
    warming, _ = make_warming(Host())
    warming.begin(templates(BAD))
    await until(lambda: warming.note() is not None)
    warming.begin(templates(replace(BAD, id="odder")))
    await until(lambda: "odder" in (warming.note() or ""))
    assert "policy odd:" not in (warming.note() or "")


async def test_an_engine_that_is_away_says_what_it_refuses_once_it_is_back() -> None:
    """Being away is no refusal, and is logged once, however long it takes."""
    warming, log = make_warming(host := Host())
    host.away = True
    warming.begin(templates(BAD))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (warming.note(), log.events()) == (None, ["engine.warming", "engine.not_warmed"])
    host.away = False
    await until(lambda: warming.note() is not None)
    assert log.events() == ["engine.warming", "engine.not_warmed", "engine.not_warmed"]
    warming.end()
