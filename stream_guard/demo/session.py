"""A run of the demo: Kafka in this process, the service unchanged, and the events."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from stream_guard.app import serve
from stream_guard.demo.firehose import Post, Sent, firehose
from stream_guard.demo.service import OUTPUTS, EngineName, outputs, settings, topic_of, topics
from stream_guard.demo.summary import SPAM, Summary, Times, summarise
from stream_guard.demo.tally import Heard, Tally
from stream_guard.engines.small_model import small_model_folder
from stream_guard.engines.vllm import check_installed
from stream_guard.errors import EngineUnavailable, ModelError
from stream_guard.events.model import Message
from stream_guard.health import Status
from stream_guard.kafka.embedded import embedded_broker
from stream_guard.kafka.firehose import Feed, Published, Tail, both_ends
from stream_guard.policy.document import Policy
from stream_guard.policy.load import load_policies
from stream_guard.policy.shipped import shipped_policies

_OPEN = 16
"""Events that are on their way at once: enough to keep the engine busy, few enough to show an honest latency."""
_LOOK_S = 0.1


class Stage(Struct, frozen=True):
    """What is waited for now."""

    what: str


class Ready(Struct, frozen=True):
    """The service runs, `seconds` after the command started; so many events come now."""

    seconds: float
    events: int


News: TypeAlias = Stage | Ready | Heard | Summary
"""What a run tells, in this order; a summary comes once all is heard, before the engine is ended."""


class Plan(Struct, frozen=True):
    """What to run. `began` is of `time.monotonic`; `examples` asks for the policy's own examples too."""

    engine: EngineName
    events: int | None
    examples: bool
    began: float


async def run(plan: Plan, tell: Callable[[News], None]) -> None:
    """Runs the demo to its end. Raises what the service raises, and ModelError where the model is not installed.

    In order: 1. the model's folder, made on first use; 2. the broker; 3. the service; 4. the events, a few at a time;
    5. the policy's examples; 6. the summary; 7. the service is stopped.
    """
    if plan.engine == "vllm":
        tell(Stage("making the model ready"))
        await asyncio.to_thread(_require_model)
    tell(Stage("starting Kafka"))
    policies = shipped_policies()
    with embedded_broker(topics()) as bootstrap, both_ends(bootstrap, outputs()) as (feed, tail):
        status = Status()
        service = asyncio.create_task(serve(settings(bootstrap, plan.engine, policies), status, attach=True))
        try:
            await _beside(service, _Run(plan, tell, feed, tail, status).events(policies))
            status.stop.set()
            await service
        finally:
            service.cancel()
            await asyncio.wait([service])


def _require_model() -> None:
    try:
        check_installed()
        small_model_folder()
    except ModelError as error:
        raise ModelError(f"{error}\nwithout a model: stream-guard demo --engine scripted") from error


async def _beside(service: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
    """Does the work while the service runs. Raises what ended the service."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([service, working], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            service.result()
            raise EngineUnavailable("the service ended before the demo did")
        working.result()
    finally:
        working.cancel()
        await asyncio.wait([working])


class _Run:
    """What happens beside the service."""

    def __init__(self, plan: Plan, tell: Callable[[News], None], feed: Feed, tail: Tail, status: Status) -> None:
        self._plan, self._tell = plan, tell
        self._feed, self._tail, self._status = feed, tail, status
        self._tally = Tally()
        self._first_verdict: float | None = None

    async def events(self, policies: Path) -> None:
        """Feeds all events and waits for what becomes of them."""
        await self._started()
        sent = list(firehose(self._plan.events))
        self._tell(Ready(ready := self._seconds(), len(sent)))
        heard = await self._hear(sent, self._tell)
        last = self._seconds()
        unseen = _unseen(load_policies([policies])[SPAM]) if self._plan.examples else []
        examples = await self._hear(unseen, _keep_silent)
        self._tell(summarise(sent, heard, examples, Times(ready, self._first_verdict, last)))

    async def _started(self) -> None:
        waiting = None
        while not self._status.started:
            if (reason := self._status.ready()) not in (None, waiting):
                waiting = reason
                self._tell(Stage(_stage(reason or "")))
            await asyncio.sleep(_LOOK_S)

    async def _hear(self, wanted: Sequence[Sent], tell: Callable[[Heard], None]) -> list[Heard]:
        """Sends events, a few at a time, until each has been heard."""
        waiting, heard = deque(wanted), []
        while waiting or self._tally.open:
            while waiting and self._tally.open < _OPEN:
                self._send(waiting.popleft())
            for published in await asyncio.to_thread(self._tail.read, _LOOK_S):
                if (one := self._take(published)) is not None:
                    heard.append(one)
                    tell(one)
        return heard

    def _send(self, sent: Sent) -> None:
        self._tally.send(sent)
        self._feed.send(topic_of(sent.post.kind), sent.key, sent.post.value)

    def _take(self, published: Published) -> Heard | None:
        if published.topic == OUTPUTS.verdicts:
            if self._first_verdict is None:
                self._first_verdict = self._seconds()
            return self._tally.verdict(published.key, published.value)
        if published.topic == OUTPUTS.rulings:
            return self._tally.ruling(published.key, published.value)
        return self._tally.dead_letter(published.key, published.value, published.headers)

    def _seconds(self) -> float:
        return time.monotonic() - self._plan.began


def _stage(reason: str) -> str:
    """What a watcher is told of what the service waits for."""
    return next((what for begins, what in _STAGES.items() if reason.startswith(begins)), "starting the service")


_STAGES = {
    "waiting for the configuration": "reading the policies",
    "waiting for the cluster": "attaching to Kafka",
    "waiting for the engine: warming": "warming the model up",
    "waiting for the engine": "loading the model",
    "waiting for the consumer group": "joining the consumer group",
}


def _keep_silent(heard: Heard) -> None:
    del heard


def _unseen(policy: Policy) -> list[Sent]:
    """The policy's examples that its prompt does not show, as messages. Whoever reads the answer in the prompt knows it."""
    texts = [(e.content, e.expect) for e in policy.examples if not e.shown and isinstance(e.content, str)]
    return [
        Sent(f"example-{number}", Post("message", "", text, _encoded(text), expect != policy.permitted.id))
        for number, (text, expect) in enumerate(texts, 1)
    ]


def _encoded(text: str) -> bytes:
    return msgspec.json.encode(Message(content=text))
