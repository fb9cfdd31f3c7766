"""`stream-guard init` on a real broker: a topic that nobody prepared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from stream_guard.config import build_routes, load_config
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer
from tests.fixtures_kafka import Kafka
from tests.unit.proposal.samples import TEXTS, make_records, mixed_events

pytestmark = pytest.mark.kafka


def init(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command as a shell would."""
    command = [sys.executable, "-m", "stream_guard.cli", "init", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def groups(kafka: Kafka) -> set[str]:
    """The consumer groups that the broker knows."""
    return {
        group.group_id
        for group in AdminClient({"bootstrap.servers": kafka.bootstrap}).list_consumer_groups().result(10).valid
    }


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Posts, comments, chats and heartbeats on two partitions, with tombstones among them."""
    name = kafka.topic(2, max_message_bytes="2000000")
    values = [record.value for record in make_records(mixed_events, 80)]
    kafka.send(name, [*values[::2], None], partition=0)
    kafka.send(name, values[1::2], partition=1)
    return name


def test_a_topic_that_nobody_prepared_is_configured(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    """What is written loads, reads the topic, and fits its largest record; no group is left behind, no content shown."""
    before = groups(kafka)
    done = init("-b", kafka.bootstrap, "-t", topic, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    reads = "Of 80 records 60 become events (40 messages, 20 chats), 20 are passed over, none would be a dead letter."
    assert reads in " ".join(done.stdout.split())
    settings = load_config(tmp_path / "guard.yaml", {})
    routes = build_routes(settings, load_policies(settings.policies), PlainRenderer())
    assert [route.name for route in routes.all] == [topic]
    text = (tmp_path / "guard.yaml").read_text(encoding="utf-8")
    assert "--partitions 2\n" in text
    assert "max.message.bytes=2065536" in text
    assert not any(each in text + done.stdout for each in TEXTS if len(each) > 3)
    assert groups(kafka) <= before


def test_a_sample_is_the_newest_records(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    """As many as were asked for."""
    told = json.loads(init("-b", kafka.bootstrap, "-t", topic, "-n", "20", "--json", cwd=tmp_path).stdout)
    assert told["sampled"]["records"] == 20
    assert told["holds"] == "mapped"


def test_a_missing_and_an_empty_topic_are_refused(kafka: Kafka, tmp_path: Path) -> None:
    """Exit code 3, one clear sentence, nothing written, no topic made."""
    missing = init("-b", kafka.bootstrap, "-t", "nobody-made-this", cwd=tmp_path)
    empty = init("-b", kafka.bootstrap, "-t", kafka.topic(), cwd=tmp_path)
    assert (missing.returncode, empty.returncode) == (3, 3)
    assert "there is no topic 'nobody-made-this'" in missing.stderr
    assert "holds no records" in empty.stderr
    assert list(tmp_path.iterdir()) == []
    assert "nobody-made-this" not in kafka.admin.list_topics(timeout=10).topics


def test_a_broker_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    """Exit code 3 within its time, and no noise of the client beside the error."""
    done = init("-b", "127.0.0.1:1", "-t", "chat", "-X", "socket.timeout.ms=1000", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error:")
    assert "127.0.0.1:1" in done.stderr
    assert list(tmp_path.iterdir()) == []
