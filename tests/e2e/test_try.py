"""`stream-guard try` as a process, on a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from tests.cluster import Cluster, jars
from tests.fixtures_kafka import Kafka
from tests.service import MARKER, Flow, ends, make_flow, session

pytestmark = pytest.mark.kafka

COMMAND = [sys.executable, "-m", "stream_guard.cli", "try"]
WAIT_S = 60.0
SLOW = {"kind": "scripted", "delay": "500ms"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The temporary folder of the command, empty before and after."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def tries(folder: Path) -> Iterator[Tries]:
    """Starts commands, and ends them whatever becomes of the test."""
    with Tries(folder) as started:
        yield started


class Tries:
    """Commands that were started."""

    def __init__(self, folder: Path) -> None:
        """None yet."""
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, configuration: Path, *flags: str) -> subprocess.Popen[str]:
        """One more, in a session of its own."""
        process = subprocess.Popen(
            [*COMMAND, "-c", str(configuration), *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=os.environ | {"TMPDIR": str(self._folder), "COLUMNS": "100"},
        )  # fmt: skip
        self._started.append(process)
        return process

    def run(self, configuration: Path, *flags: str) -> tuple[int, str, str]:
        """Runs one to its end. Returns its exit code and what it wrote."""
        process = self.start(configuration, *flags)
        out, err = process.communicate(timeout=WAIT_S)
        return process.returncode, out, err

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all, and what they started."""
        for process in self._started:
            process.kill()
            process.communicate()


def fill(flow: Flow, records: int = 40) -> None:
    """Messages, and among each ten a tombstone, a value that is no JSON and one that is no event."""
    values: list[bytes | None] = [
        orjson.dumps({"kind": "message", "content": f"{MARKER} number {n}"}) for n in range(records - 3 * records // 10)
    ]
    for _ in range(records // 10):
        values += [None, MARKER.encode(), orjson.dumps({"text": MARKER})]
    for partition in range(2):
        flow.kafka.send(flow.source, values[partition::2], partition, key=b"room")


def groups(kafka: Kafka) -> set[str]:
    """All groups that the broker knows."""
    return {group.group_id for group in kafka.admin.list_consumer_groups().result(10).valid}


def objects(out: str) -> list[dict[str, Any]]:
    """The lines that were written for machines."""
    return [json.loads(line) for line in out.splitlines()]


def assert_gone(process: subprocess.Popen[str], folder: Path) -> None:
    """Neither a process nor a file is left."""
    assert session(process.pid) == []
    assert list(folder.iterdir()) == []


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Reads stderr until a line holds these words."""
    assert process.stderr is not None
    while words not in (line := process.stderr.readline()):
        assert line, f"ended with {process.wait()}"


def test_a_topic_is_tried_and_nothing_else_happens(tries: Tries, flow: Flow, folder: Path) -> None:
    """Every record has its line and its outcome; no topic grew, no group came to be, no content was written."""
    fill(flow)
    topics, known = [flow.verdicts, flow.rulings, flow.dead_letters], groups(flow.kafka)
    code, out, err = tries.run(flow.configuration(), "--json")
    assert code == 0, err
    *lines, last = objects(out)
    places = [(line["partition"], line["offset"]) for line in lines]
    assert sorted(places) == [(p, o) for p, end in sorted(flow.ends().items()) for o in range(end)]
    outcomes = [line["outcome"] for line in lines]
    assert {kind: outcomes.count(kind) for kind in set(outcomes)} == {"judged": 28, "dead_lettered": 8, "ignored": 4}
    assert all(len(line["verdicts"]) == (line["outcome"] == "judged") for line in lines)
    assert last["summary"]["decisions"]["adverts"].keys() == {"allow", "flag"}
    assert MARKER not in out + err
    assert all(not any(ends(flow.kafka, topic).values()) for topic in topics)
    assert groups(flow.kafka) <= known
    assert flow.committed() == {}
    assert list(folder.iterdir()) == []


def test_a_person_is_told_what_there_was(tries: Tries, flow: Flow) -> None:
    """Rows, the summary, and that nothing was left behind; content only where it is revealed."""
    fill(flow)
    code, out, err = tries.run(flow.configuration(), "--last", "20", "--topic", flow.source)
    assert code == 0, err
    told = " ".join(out.split())
    assert "the last 20 of" in told
    assert "not_json: at byte 0" in told
    assert "Nothing was published, and no offset was committed." in told
    assert MARKER not in out + err
    assert "\x1b" not in out
    assert MARKER in tries.run(flow.configuration(), "--reveal")[1]


def test_a_policy_file_can_be_tried_before_it_is_configured(tries: Tries, flow: Flow, tmp_path: Path) -> None:
    """Beside one that is."""
    fill(flow)
    configuration = flow.configuration()
    text = (tmp_path / "policies" / "adverts.md").read_text(encoding="utf-8")
    (tmp_path / "mine.md").write_text(text.replace("id: adverts", "id: mine"), encoding="utf-8")
    code, out, err = tries.run(configuration, "--json", "-p", str(tmp_path / "mine.md"), "-p", "adverts")
    assert code == 0, err
    assert set(objects(out)[-1]["summary"]["decisions"]) == {"mine", "adverts"}


def test_a_topic_that_is_missing_is_exit_code_3(tries: Tries, flow: Flow) -> None:
    """The sentence names it; it is not made."""
    absent = flow.kafka.name("absent")
    code, out, err = tries.run(flow.configuration(route={"topic": absent}))
    assert (code, out) == (3, "")
    assert f"there is no topic '{absent}'" in " ".join(err.split())
    assert absent not in flow.kafka.admin.list_topics(timeout=10).topics


def test_ctrl_c_while_judging_shows_what_was_judged(tries: Tries, flow: Flow, folder: Path) -> None:
    """And ends with 130 in moments."""
    fill(flow, 400)
    one_by_one = flow.configuration(engine=SLOW, window={"asks": 1})
    process = tries.start(one_by_one, "--json", "--last", "400")
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["outcome"] != "judged":
        pass
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_S)
    assert time.monotonic() - asked < 5
    assert process.returncode == 130, err
    summary = objects(out)[-1]["summary"]
    assert not summary["complete"]
    assert 0 < summary["judged"] < 280
    assert "Traceback" not in err
    assert_gone(process, folder)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_ctrl_c_while_the_broker_is_asked_ends_at_once(tries: Tries, flow: Flow, folder: Path, seconds: float) -> None:
    """Though the client would ask on for ten seconds."""
    configuration = flow.configuration(kafka={"bootstrap_servers": "127.0.0.1:1"})
    process = tries.start(configuration)
    wait_for(process, "reading the last records")
    time.sleep(seconds)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_S)
    assert time.monotonic() - asked < 5
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert_gone(process, folder)


def test_ctrl_c_while_the_engine_is_waited_for(tries: Tries, flow: Flow, folder: Path) -> None:
    """Nothing was judged, so nothing is shown."""
    fill(flow)
    server = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m", "api": "chat"}
    process = tries.start(flow.configuration(engine=server))
    wait_for(process, "waiting for the engine (")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert_gone(process, folder)


def test_a_reader_that_goes_away_ends_it(tries: Tries, flow: Flow, folder: Path) -> None:
    """`stream-guard try --json | head -1`."""
    fill(flow, 400)
    process = tries.start(flow.configuration(engine=SLOW, window={"asks": 1}), "--json", "--last", "400")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(WAIT_S) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert_gone(process, folder)


def test_the_time_limit_shows_what_was_judged_and_is_exit_code_3(tries: Tries, flow: Flow) -> None:
    """A script can tell it from a trial that came to its end."""
    fill(flow)
    code, out, err = tries.run(flow.configuration(engine=SLOW, window={"asks": 1}), "--limit", "4s")
    assert code == 3
    assert "Broken off: " in out
    assert "not done within 4 s: judging" in err


@pytest.mark.slow
def test_a_broker_that_goes_away_is_exit_code_3_or_changes_nothing(tries: Tries, tmp_path: Path) -> None:
    """Before the sample was read it can't be tried; after that, the broker is no longer needed."""
    libs = jars()
    with Cluster(libs=libs, root=tmp_path / "kafka", archive=libs.parent / "kafka.jsa") as cluster:
        kafka = Kafka(cluster.bootstrap)
        (tmp_path / "flow").mkdir()
        flow = make_flow(kafka, tmp_path / "flow", partitions=2)
        fill(flow)
        process = tries.start(flow.configuration(engine={"kind": "scripted", "delay": "3s"}), "--json")
        wait_for(process, "judging")
        cluster.kill(1)
        out, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, err
        assert objects(out)[-1]["summary"]["judged"] == 28
    code, out, err = tries.run(flow.configuration())
    assert (code, out) == (3, "")
    assert "can't be read" in err
