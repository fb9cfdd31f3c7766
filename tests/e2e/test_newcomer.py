"""A newcomer's path: a topic nobody prepared, and the commands of docs/attach.md in their order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stream_guard.verdicts.decoding import decode_ruling
from tests.fixtures_kafka import Kafka
from tests.service import MARKER, Services, ends

pytestmark = pytest.mark.kafka

PAGE = Path(__file__).parents[2] / "docs" / "attach.md"
PARTITIONS = 2
POSTS = 60
SCRIPTED = "engine:\n  kind: scripted\n"


def post(number: int) -> bytes:
    """One of somebody else's records: a post, now and then a sign that somebody types."""
    if number % 6 == 5:
        return json.dumps({"type": "typing", "user": {"name": "rosa"}, "at": 1_790_000_000 + number}).encode()
    fields = {
        "type": "post", "post_id": 1000 + number, "user": {"name": f"writer{number % 5}"}, "at": 1_790_000_000 + number,
        "body": f"The pears were sweet this year, {MARKER}, said neighbour number {number}.",
    }  # fmt: skip
    return json.dumps(fields).encode()


class Newcomer:
    """Types commands in a folder of their own."""

    def __init__(self, folder: Path, bootstrap: str, topic: str) -> None:
        """Knows where Kafka is, and the name of the topic."""
        self.folder, self._bootstrap, self._topic = folder, bootstrap, topic

    def types(self, subcommand: str, *more: str) -> tuple[int, str]:
        """Runs the command that the page shows for it. Returns the exit code and what was written to stdout."""
        (shown,) = re.findall(rf"^stream-guard ({subcommand} .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        words = shown.replace("localhost:9092", self._bootstrap).replace("forum.posts", self._topic).split()
        done = subprocess.run(
            [sys.executable, "-m", "stream_guard.cli", *words, *more], cwd=self.folder, capture_output=True, text=True,
            timeout=90, check=False, stdin=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "100"},
        )  # fmt: skip
        assert MARKER not in done.stdout + done.stderr
        return done.returncode, done.stdout

    def has_no_model(self) -> None:
        """Lets the scripted engine judge: loading a model is another test's."""
        path = self.folder / "guard.yaml"
        text, count = re.subn(r"^engine:\n(?:[ #].*\n)+", SCRIPTED, path.read_text("utf-8"), flags=re.MULTILINE)
        assert count == 1
        path.write_text(text, encoding="utf-8")


def test_a_topic_nobody_prepared_is_judged_in_an_afternoon(kafka: Kafka, tmp_path: Path, services: Services) -> None:
    """init, check --live, try, policy test, run: each says what a person needs for the next."""
    topic = kafka.topic(PARTITIONS, name=kafka.name("posts"))
    for partition in range(PARTITIONS):
        kafka.send(topic, [post(n) for n in range(POSTS) if n % PARTITIONS == partition], partition, key=b"room")
    newcomer = Newcomer(tmp_path, kafka.bootstrap, topic)

    code, said = newcomer.types("init")
    assert code == 0
    assert "$.body" in said
    assert MARKER not in (tmp_path / "guard.yaml").read_text(encoding="utf-8")
    newcomer.has_no_model()

    code, said = newcomer.types("check")
    assert code == 3
    assert f"{topic}.rulings does not exist" in said
    made = re.findall(r"--create --topic (\S+) --partitions (\d+)", (tmp_path / "guard.yaml").read_text("utf-8"))
    for name, partitions in made:
        larger = {"max_message_bytes": "1114124"} if name.endswith("dead-letters") else {}
        kafka.topic(int(partitions), name=name, **larger)
    code, said = newcomer.types("check")
    assert (code, "0 errors" in said or "nothing to fix" in said) == (0, True)

    code, said = newcomer.types("try")
    assert code == 0
    assert "Nothing was published" in said
    assert "50 judged" in " ".join(said.split())
    assert not any(ends(kafka, f"{topic}.rulings").values())

    code, said = newcomer.types("policy test")
    assert code in (0, 3)  # what a script says of the examples is chance
    assert "95 % interval" in said

    configuration = (tmp_path / "guard.yaml").read_text("utf-8").replace("start: latest", "start: earliest")
    path = tmp_path / "run.yaml"
    path.write_text(configuration, encoding="utf-8")
    service = services.start(path, env={"STREAM_GUARD_TELEMETRY__HTTP_PORT": "0"})
    service.until(lambda: sum(ends(kafka, f"{topic}.rulings").values()) == POSTS - POSTS // 6)
    assert service.terminate() == 0
    rulings = [decode_ruling(read.value() or b"") for read in kafka.read(f"{topic}.rulings", 50, PARTITIONS)]
    assert Counter(ruling.complete for ruling in rulings) == {True: 50}
