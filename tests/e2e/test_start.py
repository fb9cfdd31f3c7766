"""`stream-guard run` as a process: what it refuses to start with, each with an exit code and a sentence to act on."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures_kafka import Kafka
from tests.published import Feed, check, message, read_published
from tests.service import START_S, Flow, Services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
kafka = pytest.mark.kafka

_WRONG = """\
kafka:
  bootstrap_servers: 127.0.0.1:9092
  start: sometime
engine: {kind: scripted}
policies: [policies]
routes: []
"""


def test_a_wrong_configuration_names_file_line_and_column(services: Services, tmp_path: Path) -> None:
    """Exit code 2, and every finding with its place."""
    path = tmp_path / "wrong.yaml"
    path.write_text(_WRONG, encoding="utf-8")
    code, said = services.refused(path)
    assert code == 2
    assert f"{path}:3:10: " in said
    assert f"{path}:6:1: " in said


@kafka
def test_a_missing_output_topic_is_named(services: Services, flow: Flow) -> None:
    """Exit code 3: a verdict that can't be published is found before a record is read."""
    outputs = {"verdicts": "nobody.made.this", "rulings": flow.rulings, "dead_letters": flow.dead_letters}
    code, said = services.refused(flow.configuration(route={"outputs": outputs}))
    assert code == 3
    assert "these output topics do not exist, or may not be seen: nobody.made.this" in said
    assert flow.committed() == {}


@kafka
def test_a_dead_letter_topic_that_is_too_small_is_refused_with_numbers(services: Services, flow: Flow) -> None:
    """Exit code 3, and the size that would do."""
    small = flow.kafka.topic(max_message_bytes="150000")
    outputs = {"verdicts": flow.verdicts, "rulings": flow.rulings, "dead_letters": small}
    path = flow.configuration(route={"outputs": outputs}, kafka={"producer": {"batch.size": 100000}})
    code, said = services.refused(path)
    assert code == 3
    assert f"dead-letter topic {small!r} takes 150000 bytes" in said
    assert str(200_000 + 65_536) in said


@kafka
def test_latest_is_refused_until_it_is_asked_for_once(services: Services, flow: Flow) -> None:
    """`start: latest` skips the backlog only under `--attach`; later starts go on where the group stands."""
    path = flow.configuration(kafka={"start": "latest"})
    backlog, feed = Feed(flow), Feed(flow)
    backlog.send(message(number) for number in range(6))
    code, said = services.refused(path)
    assert code == 3
    assert "run --attach" in said
    attached = services.start(path, "--attach")
    attached.until_ready()
    assert attached.terminate() == 0
    feed.send(message(number) for number in range(4))
    again = services.start(path)
    again.until(flow.done, START_S)
    assert again.terminate() == 0
    check(feed.sent, read_published(flow))


@kafka
def test_attach_by_itself_commits_the_end_and_needs_no_model(services: Services, flow: Flow) -> None:
    """So an install attaches once, and every replica after it may be started without leave to skip anything."""
    latest = {"start": "latest"}
    absent = flow.configuration("attach", kafka=latest, engine={"kind": "vllm", "model": "/nowhere/model"})
    backlog, feed = Feed(flow), Feed(flow)
    backlog.send(message(number) for number in range(6))
    for _ in range(2):  # the second time finds the offsets, and leaves them
        done = subprocess.run(
            [sys.executable, "-m", "stream_guard.cli", "attach", "-c", str(absent)],
            capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert flow.done()
    feed.send(message(number) for number in range(4))
    service = services.start(flow.configuration(kafka=latest))
    service.until(lambda: flow.done() and service.unready() is None, START_S)
    assert service.terminate() == 0
    check(feed.sent, read_published(flow))


def test_a_cluster_that_does_not_answer_is_given_up(services: Services, tmp_path: Path) -> None:
    """Exit code 3 after one question's time, and a sentence that says which address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    away = Flow(Kafka(address), tmp_path, "guard", "in", "verdicts", "rulings", "letters")
    code, said = services.refused(away.configuration(), seconds=START_S)
    assert code == 3
    assert f"Kafka at {address} did not tell its id" in said


@kafka
def test_an_http_port_that_is_taken_is_refused(services: Services, flow: Flow) -> None:
    """A second instance on the same port ends with 3, before it joins the group."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = services.refused(flow.configuration(telemetry={"http_port": port}))
    assert code == 3
    assert f"metrics and health can't listen on 127.0.0.1:{port}" in said
