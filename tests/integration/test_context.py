"""A violation spread over two messages, judged by the service as a process on a real broker: whatever befalls it between the two.

The engine is a server that flags what it is asked about only where both halves stand in it.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from stream_guard.events.content import CONTEXT_PARTIAL
from stream_guard.policy.document import Decision
from stream_guard.verdicts.model import Verdict
from tests.fixtures_kafka import Kafka
from tests.openai_server import MODEL, OpenAiServer
from tests.published import Place, read_published
from tests.service import START_S, Flow, Service, Services

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

FIRST, SECOND = "Everybody gets a free cruise", "if they call 80082 before noon"
SETTINGS = {
    "classic": {"consumer": {"session.timeout.ms": 3000}},
    "eager": {"consumer": {"session.timeout.ms": 3000, "partition.assignment.strategy": "range"}},
    "consumer": {"group_protocol": "consumer"},
}
WAYS = tuple(SETTINGS)


class Listener(OpenAiServer):
    """Finds a violation where both halves stand in what it is asked about, and nowhere else."""

    async def _answer(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        content = asked["messages"][-1]["content"]
        answer = str(int(FIRST in content and SECOND in content))
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": answer},
            "finish_reason": "stop",
        }
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})


@asynccontextmanager
async def listener() -> AsyncIterator[Listener]:
    """A server that listens."""
    server = Listener()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class Room:
    """The service's topics, and what is said in them."""

    def __init__(self, flow: Flow, services: Services, server: Listener, way: str, **context: Any) -> None:
        """Starts nothing."""
        self.flow = flow
        self._services = services
        engine = {"kind": "openai", "base_url": server.base_url, "model": MODEL, "api": "chat"}
        route = {"judge": ["message"], "context": {"last": 3, **context}}
        self._configuration = flow.configuration(kafka=SETTINGS[way], engine=engine, route=route)

    async def start(self) -> Service:
        """One more member."""
        service = self._services.start(self._configuration)
        await asyncio.to_thread(service.until_ready)
        return service

    async def say(self, text: str, key: bytes = b"a", partition: int = 0) -> None:
        """A message, which is acknowledged."""
        value = json.dumps({"kind": "message", "author": "ann", "content": text}).encode()
        await asyncio.to_thread(self.flow.kafka.send, self.flow.source, [value], partition, key=key)

    async def settled(self, service: Service) -> None:
        """Waits until everything is committed."""
        await asyncio.to_thread(service.until, self.flow.done, START_S)

    async def verdicts(self) -> dict[Place, Verdict]:
        """What was said of each message, none of them twice."""
        published = await asyncio.to_thread(read_published, self.flow)
        assert all(len(found) == 1 for found in published.verdicts.values())
        return {at: verdict for at, (verdict,) in published.verdicts.items()}


def turns_shown(verdict: Verdict) -> int:
    """How many messages were shown with it."""
    assert verdict.coverage is not None
    return verdict.coverage.context_turns


def decisions(verdicts: dict[Place, Verdict]) -> Iterator[tuple[int, int, Decision, int]]:
    """Where, what, and with how much before it."""
    for at, verdict in sorted(verdicts.items()):
        yield at.partition, at.offset, verdict.decision, turns_shown(verdict)


async def test_a_violation_spread_over_two_messages_is_judged_in_context(services: Services, flow: Flow) -> None:
    """Either half alone is nothing, whatever others say meanwhile; together they are flagged."""
    async with listener() as server:
        room = Room(flow, services, server, "classic")
        service = await room.start()
        for key, text in ((b"a", FIRST), (b"b", SECOND), (b"c", FIRST), (b"a", SECOND), (b"b", "thanks")):
            await room.say(text, key)
        await room.settled(service)
        verdicts = await room.verdicts()
        assert list(decisions(verdicts)) == [
            (0, 0, Decision.ALLOW, 0),
            (0, 1, Decision.ALLOW, 0),
            (0, 2, Decision.ALLOW, 0),
            (0, 3, Decision.FLAG, 1),
            (0, 4, Decision.ALLOW, 1),
        ]
        assert {verdict.signals for verdict in verdicts.values()} == {()}
        assert {verdict.view for verdict in verdicts.values()} == {"message_in_context"}
        assert service.count("stream_guard_context_reread_total") == 0


@pytest.mark.parametrize("way", WAYS)
async def test_a_kill_between_the_two_does_not_part_them(services: Services, flow: Flow, way: str) -> None:
    """What was committed is read again for its context, and neither judged nor counted again."""
    async with listener() as server:
        room = Room(flow, services, server, way)
        first = await room.start()
        await room.say(FIRST)
        await room.settled(first)
        first.signal(signal.SIGKILL)
        first.wait()
        second = await room.start()
        await room.say(SECOND)
        await room.settled(second)
        verdicts = await room.verdicts()
        assert list(decisions(verdicts)) == [(0, 0, Decision.ALLOW, 0), (0, 1, Decision.FLAG, 1)]
        assert {verdict.signals for verdict in verdicts.values()} == {()}
        assert second.count("stream_guard_context_reread_total", topic=flow.source) == 1
        assert second.count("stream_guard_records_total") == 1
        assert second.count("messaging_client_consumed_messages_total") == 1
        assert second.terminate() == 0
    assert flow.done()


@pytest.mark.parametrize("way", WAYS)
async def test_a_partition_that_moves_takes_its_conversations_along(services: Services, flow: Flow, way: str) -> None:
    """Who gets it reads again what the other had settled."""
    async with listener() as server:
        room = Room(flow, services, server, way)
        first = await room.start()
        for partition in (0, 1):
            await room.say(FIRST, b"%d" % partition, partition)
        await room.settled(first)
        second = await room.start()
        await asyncio.to_thread(second.until, lambda: len(second.partitions()) == len(first.partitions()) == 1, START_S)
        (moved,) = second.partitions()
        for partition in (0, 1):
            await room.say(SECOND, b"%d" % partition, partition)
        await room.settled(second)
        verdicts = await room.verdicts()
        assert [decision for _, offset, decision, _ in decisions(verdicts) if offset == 1] == [Decision.FLAG] * 2
        assert {verdict.signals for verdict in verdicts.values()} == {()}
        assert second.count("stream_guard_context_reread_total") == 1
        assert second.count("stream_guard_records_total") == 1
        assert moved in {0, 1}
        assert [member.terminate() for member in (first, second)] == [0, 0]
    assert flow.done()


@pytest.mark.parametrize("way", WAYS)
async def test_what_retention_took_is_told_and_halts_nothing(
    kafka: Kafka, services: Services, flow: Flow, way: str
) -> None:
    """The first half is gone from the log: the second can't be known to have had none before it."""
    async with listener() as server:
        room = Room(flow, services, server, way)
        first = await room.start()
        await room.say(FIRST)
        await room.settled(first)
        assert first.terminate() == 0
        await asyncio.to_thread(kafka.delete_before, flow.source, 0, 1)
        second = await room.start()
        await room.say(SECOND)
        await room.settled(second)
        verdicts = await room.verdicts()
        assert list(decisions(verdicts)) == [(0, 0, Decision.ALLOW, 0), (0, 1, Decision.ALLOW, 0)]
        assert verdicts[Place(0, 1)].signals == (CONTEXT_PARTIAL,)
        assert second.count("stream_guard_partitions_halted") == 0


async def test_who_reads_nothing_again_says_what_it_can_not_know(services: Services, flow: Flow) -> None:
    """`reread` reaches back one record only: the half before it is missed, and that is said."""
    async with listener() as server:
        room = Room(flow, services, server, "classic", reread=1)
        first = await room.start()
        for text in (FIRST, "hello"):
            await room.say(text)
        await room.settled(first)
        first.signal(signal.SIGKILL)
        first.wait()
        second = await room.start()
        await room.say(SECOND)
        await room.settled(second)
        verdict = (await room.verdicts())[Place(0, 2)]
        assert (verdict.decision, turns_shown(verdict)) == (Decision.ALLOW, 1)
        assert verdict.signals == (CONTEXT_PARTIAL,)
