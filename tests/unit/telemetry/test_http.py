from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from stream_guard.errors import StartRefused
from stream_guard.telemetry.http import ObservabilityServer
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.prometheus import registry


class Health:
    """What the three probes say."""

    started: str | None = None
    live: str | None = None
    ready: str | None = None
    note: str | None = None
    edition: str | None = None


@pytest.fixture
def health() -> Health:
    """All is well, until a test says otherwise."""
    return Health()


@pytest.fixture
async def server(health: Health) -> AsyncIterator[ObservabilityServer]:
    """A server on a free port."""
    made = ObservabilityServer(
        "127.0.0.1", 0, registry(Metrics()), lambda: health.live, lambda: health.ready, lambda: health.note,
        lambda: {} if health.edition is None else {"edition": health.edition}, lambda: health.started,
    )  # fmt: skip
    async with made:
        yield made


@pytest.fixture
async def client(server: ObservabilityServer) -> AsyncIterator[ClientSession]:
    """Somebody who asks that server."""
    async with ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session


@pytest.mark.parametrize("path", ["/started", "/live", "/ready"])
async def test_a_probe_says_ok_or_why_not(client: ClientSession, health: Health, path: str) -> None:
    """200 while all is well, 503 with the reason from then on, each path by its own check."""
    async with client.get(path) as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})
    setattr(health, path[1:], "no progress for 60 s")
    async with client.get(path) as answer:
        assert answer.status == 503
        assert await answer.json() == {"status": "unavailable", "reason": "no progress for 60 s"}
    for other in {"/started", "/live", "/ready"} - {path}:
        async with client.get(other) as answer:
            assert answer.status == 200


async def test_a_probe_that_is_well_may_have_something_to_say(client: ClientSession, health: Health) -> None:
    """It answers 200 all the same: nothing is to be restarted, and the rest flows."""
    health.note = "halted: mail[3] (too_many_dead_letters)"
    async with client.get("/ready") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok", "note": health.note})


async def test_who_asks_whether_it_is_ready_hears_of_the_edition(client: ClientSession, health: Health) -> None:
    """Whether it is or not: a fleet is compared by it. A liveness probe has no use for it."""
    health.edition = "77c1"
    async with client.get("/ready") as answer:
        assert await answer.json() == {"status": "ok", "edition": "77c1"}
    health.ready = "stopping"
    async with client.get("/ready") as answer:
        assert await answer.json() == {"status": "unavailable", "reason": "stopping", "edition": "77c1"}
    async with client.get("/live") as answer:
        assert await answer.json() == {"status": "ok"}


async def test_metrics_come_in_the_format_that_is_accepted(client: ClientSession) -> None:
    """Prometheus asks for OpenMetrics and gets it; a person gets plain text."""
    async with client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as answer:
        assert answer.content_type == "application/openmetrics-text"
        families = parse_openmetrics(await answer.text())  # type: ignore[no-untyped-call]
        assert any(family.name == "stream_guard_records" for family in families)
    async with client.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        assert "# TYPE stream_guard_records_total counter" in await answer.text()


@pytest.mark.parametrize("path", ["/", "/metrics/x", "/healthz"])
async def test_anything_else_is_not_found(client: ClientSession, path: str) -> None:
    """Nothing is served but the four paths."""
    async with client.get(path) as answer:
        assert answer.status == 404


async def test_nothing_can_be_changed(client: ClientSession) -> None:
    """The paths can only be read."""
    async with client.post("/metrics") as answer:
        assert answer.status == 405


async def test_a_port_in_use_refuses_the_start(server: ObservabilityServer) -> None:
    """The error says which address, and keeps the cause."""
    second = ObservabilityServer("127.0.0.1", server.port, registry(Metrics()), lambda: None, lambda: None)
    with pytest.raises(StartRefused, match=rf"127\.0\.0\.1:{server.port}") as refused:
        await second.__aenter__()
    assert isinstance(refused.value.__cause__, OSError)


async def test_the_port_is_free_again_afterwards() -> None:
    """Leaving the context lets go of the address."""
    first = ObservabilityServer("127.0.0.1", 0, registry(Metrics()), lambda: None, lambda: None)
    async with first:
        port = first.port
    async with ObservabilityServer("127.0.0.1", port, registry(Metrics()), lambda: None, lambda: None) as second:
        assert second.port == port
