"""Watching goes on whatever becomes of those that are watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from stream_guard.errors import StartRefused
from stream_guard.telemetry.http import ObservabilityServer
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.prometheus import registry
from stream_guard.watching.session import Plan, run
from stream_guard.watching.view import State, View
from tests.ports import free_port
from tests.watched import make_busy


class Seen:
    """The views that came, and what is done about them."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self._came = asyncio.Event()

    def tell(self, view: View) -> None:
        """One more."""
        self.views.append(view)
        self._came.set()

    async def until(self, holds: Callable[[View], object]) -> View:
        """Waits for a view of which it holds."""
        async with asyncio.timeout(30):
            while not self.views or not holds(self.views[-1]):
                self._came.clear()
                await self._came.wait()
        return self.views[-1]


@asynccontextmanager
async def watched(*addresses: str) -> AsyncIterator[Seen]:
    """What is seen of these services while the block lasts."""
    seen = Seen()
    watching = asyncio.create_task(run(Plan(addresses, 0.05, 5.0), seen.tell))
    try:
        yield seen
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    assert watching.cancelled()


@pytest.fixture
def port() -> int:
    """One at which nobody listens."""
    return free_port()


def serving(told: OtelTelemetry, port: int = 0) -> ObservabilityServer:
    """A service's own server."""
    return ObservabilityServer("127.0.0.1", port, registry(told.metrics), lambda: None, lambda: None)


async def test_rates_come_with_the_second_look() -> None:
    """The first view has none."""
    told = make_busy(10)
    async with serving(told) as server, watched(f"http://127.0.0.1:{server.port}") as seen:
        first = await seen.until(lambda view: view)
        assert (first.measured_s, first.records.by_outcome["judged"].per_s) == (None, None)
        make_busy(10, told)
        view = await seen.until(lambda view: view.records.by_outcome["judged"].per_s)
    assert view.services[0].state is State.READY
    assert view.measured_s is not None
    rate = view.records.by_outcome["judged"].per_s
    assert rate == pytest.approx(10 / view.measured_s)


async def test_a_service_that_is_lost_is_shown_and_asked_again(port: int) -> None:
    """A pod is replaced, a port-forward ends: the view waits for the next."""
    address = f"http://127.0.0.1:{port}"
    async with serving(make_busy()) as other:
        async with serving(make_busy(), port):
            seeing = watched(f"http://127.0.0.1:{other.port}", address)
            seen = await seeing.__aenter__()
            await seen.until(lambda view: view.services[1].state is State.READY)
        lost = await seen.until(lambda view: view.services[1].state is State.SILENT)
        assert lost.services[0].state is State.READY
        assert lost.services[1].why == "can't be reached: connection refused"
        async with serving(make_busy(), port):
            back = await seen.until(lambda view: view.services[1].state is State.READY)
        assert back.services[1].silent_s is None
        await seeing.__aexit__(None, None, None)


async def test_where_nobody_answers_at_first_it_does_not_begin(port: int) -> None:
    """Each is named, with why and what to do."""
    with pytest.raises(StartRefused) as refused:
        await run(Plan((f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/x"), 0.05, 5.0), lambda _: None)
    first, second, *hint = str(refused.value).splitlines()
    assert first == f"http://127.0.0.1:{port} can't be reached: connection refused"
    assert second == f"http://127.0.0.1:{port}/x can't be reached: connection refused"
    assert hint[-1].startswith("kubectl port-forward")


async def test_one_that_answers_is_enough_to_begin(port: int) -> None:
    """The others are shown as silent."""
    async with (
        serving(make_busy()) as server,
        watched(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{server.port}") as seen,
    ):
        view = await seen.until(lambda view: view.measured_s)
    assert [service.state for service in view.services] == [State.SILENT, State.READY]


async def test_once_tells_the_second_look_and_ends() -> None:
    """One view, with rates."""
    seen = Seen()
    async with serving(make_busy()) as server:
        await run(Plan((f"http://127.0.0.1:{server.port}",), 0.05, 5.0, once=True), seen.tell)
    (view,) = seen.views
    assert view.measured_s is not None


async def test_once_tells_nothing_where_nobody_is_left_at_the_second_look() -> None:
    """A script must not take silence for figures."""
    seen = Seen()

    def leave() -> None:
        """A look ends with this question: from now on nobody listens."""
        assert server._listening is not None
        server._listening.close()

    server = ObservabilityServer("127.0.0.1", 0, registry(make_busy().metrics), lambda: None, leave)
    async with server:
        with pytest.raises(StartRefused, match="connection refused"):
            await run(Plan((f"http://127.0.0.1:{server.port}",), 0.05, 5.0, once=True), seen.tell)
    assert seen.views == []
