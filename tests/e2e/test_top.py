"""`stream-guard top` beside running services: what it shows is what they did."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_guard.kafka.embedded import embedded_broker
from tests.fixtures_kafka import Kafka
from tests.ports import free_port
from tests.service import MARKER, START_S, Flow, Service, Services, make_flow
from tests.terminal import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_JUDGED, _BROKEN, _TOMBSTONES = 40, 3, 2
_EMBEDDED = {"group": "guard", "source": "in", "verdicts": "verdicts", "rulings": "rulings", "dead_letters": "letters"}


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def watched_flow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flow]:
    """Topics on the demo's broker, and on the real one."""
    if request.param == "kafka":
        yield make_flow(request.getfixturevalue("kafka"), tmp_path, partitions=2)
        return
    with embedded_broker([*_EMBEDDED.values()][1:]) as bootstrap:
        yield Flow(Kafka(bootstrap), tmp_path, **_EMBEDDED)


def feed(flow: Flow) -> None:
    """Writes messages, and what is none, into two partitions."""
    messages = [json.dumps({"kind": "message", "content": f"{MARKER} {number}"}).encode() for number in range(_JUDGED)]
    for partition in (0, 1):
        flow.kafka.send(flow.source, messages[partition::2], partition)
    flow.kafka.send(flow.source, [f"{{{MARKER}".encode()] * _BROKEN)
    flow.kafka.send(flow.source, [None] * _TOMBSTONES)


def settled(service: Service) -> float:
    """How many records a service has settled."""
    return service.count("stream_guard_records_total")


def top(*arguments: str) -> tuple[int, str, str]:
    """Runs one that ends by itself. Returns its exit code, stdout and stderr."""
    command = [sys.executable, "-m", "stream_guard.cli", "top", "--once", "--every", "0.5s", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


def test_what_is_shown_is_what_the_service_did(services: Services, watched_flow: Flow) -> None:
    """Every record, verdict and dead letter is counted; no content is shown."""
    feed(watched_flow)
    service = services.start(watched_flow.configuration())
    service.until(lambda: settled(service) == _JUDGED + _BROKEN + _TOMBSTONES, START_S)
    code, out, err = top("--url", service.address, "--json")
    assert (code, err) == (0, "")
    view: dict[str, Any] = json.loads(out)
    assert {name: tally["total"] for name, tally in view["records"]["by_outcome"].items()} == {
        "judged": _JUDGED, "dead_lettered": _BROKEN, "ignored": _TOMBSTONES,
    }  # fmt: skip
    (policy,) = view["policies"]
    assert policy["policy"] == "adverts"
    decided = {name: tally["total"] for name, tally in policy["decisions"].items()}
    assert sum(decided.values()) == _JUDGED
    assert decided == {name: service.count("stream_guard_verdicts_total", decision=name) for name in decided}
    (letters,) = view["dead_letters"]["reasons"]
    assert (letters["reason"], letters["letters"]["total"]) == ("not_json", _BROKEN)
    (seen,) = view["services"]
    assert (seen["state"], seen["engine_up"], view["in_flight"]["records"]) == ("ready", True, 0)
    assert view["running"]["editions"] == [json.loads(service.get("/ready")[1])["edition"]]
    code, out, _ = top("--url", service.address)
    assert code == 0
    assert "adverts" in out
    assert "not json" in out
    assert MARKER not in out + json.dumps(view)


def test_replicas_are_watched_through_the_loss_of_one(services: Services, watched_flow: Flow) -> None:
    """Both are summed; one that ends is shown as silent and the other goes on; one that comes back is seen again."""
    ports = free_port(), free_port()
    configurations = [
        watched_flow.configuration(
            f"guard-{port}", telemetry={"http_port": port}, engine={"kind": "scripted", "delay": "20ms"}
        )
        for port in ports
    ]
    first, second = map(services.start, configurations)
    for service in (first, second):
        service.until_ready()
    first.until(lambda: len(first.partitions()) and len(second.partitions()), START_S)
    with Terminal(
        "top", "--every", "0.3s", "--url", first.address, "--url", second.address, columns=120, rows=40
    ) as terminal:
        terminal.until(b"2 of 2 ready")
        feed(watched_flow)
        terminal.until(b"not json")
        second.terminate()
        since = len(terminal.told)
        terminal.until(b"can't be reached: connection refused", since)
        terminal.until(b"1 of 2 ready", since)
        again = services.start(configurations[1])
        again.until_ready()
        terminal.until(b"2 of 2 ready", len(terminal.told))
        terminal.type(b"q")
        assert terminal.end() == 0
        assert MARKER.encode() not in terminal.told
