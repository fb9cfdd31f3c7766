"""The service as a process: its topics and configuration, its life, and what it says of itself.

flow = make_flow(kafka, tmp_path)
with Services() as services:
    service = services.start(flow.configuration())
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from confluent_kafka import KafkaException
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import OffsetSpec
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures_kafka import Kafka

MARKER = "marmalade-zanzibar"
"""Stands in every content and nowhere else: what it is found in quotes content."""
START_S = 60.0
"""A busy machine imports slowly."""
POLICY = """\
---
id: adverts
revision: 1
owner: tests
title: Adverts
output: binary
effort: low
categories:
  - {id: FINE, title: not an advert, severity: 0, decision: allow}
  - {id: ADVERT, title: an unwanted advert, severity: 2, decision: flag}
yes_means: ADVERT
examples:
  - {content: "See you at seven, bring the map.", expect: FINE, shown: true}
  - {content: "WIN a free cruise! Call 80082 now!", expect: ADVERT, shown: true}
  - {content: "The parcel comes tomorrow.", expect: FINE, shown: true}
  - {content: "Cheap watches, today only, click here!", expect: ADVERT, shown: true}
---
## Instruction
Decide whether the text is an unwanted advert.
## Definitions
An advert praises goods, prizes or services to strangers.
## Criteria
Offers and prizes are adverts. Everyday talk is not.
"""


class Flow(NamedTuple):
    """The topics of one test, its group, and where its files lie."""

    kafka: Kafka
    folder: Path
    group: str
    source: str
    verdicts: str
    rulings: str
    dead_letters: str

    def configuration(self, name: str = "guard", **settings: Any) -> Path:
        """Writes a configuration. Settings of nested sections are merged, `route` goes into the only route."""
        route = {
            "name": "chat",
            "topic": self.source,
            "judge": ["message", "last_turn", "completion"],
            "policies": ["adverts"],
            "outputs": {"verdicts": self.verdicts, "rulings": self.rulings, "dead_letters": self.dead_letters},
        }
        whole: dict[str, Any] = {
            "kafka": {"bootstrap_servers": self.kafka.bootstrap, "group": self.group, "start": "earliest"},
            "engine": {"kind": "scripted", "violation_share": 0.3},
            "policies": ["policies"],
            "routes": [route | settings.pop("route", {})],
            "telemetry": {"http_port": 0},
        }
        (self.folder / "policies").mkdir(exist_ok=True)
        (self.folder / "policies" / "adverts.md").write_text(POLICY, encoding="utf-8")
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(_merged(whole, settings)), encoding="utf-8")  # JSON is YAML
        return path

    def committed(self) -> dict[int, int]:
        """The group's offsets in the source topic."""
        return self.kafka.committed(self.group, self.source, len(self.ends()))

    def ends(self) -> dict[int, int]:
        """Where each partition of the source topic ends."""
        return ends(self.kafka, self.source)

    def done(self) -> bool:
        """Whether everything is committed; a coordinator that is just starting does not tell."""
        try:
            return self.committed() == self.ends()
        except KafkaException:
            return False


def make_flow(kafka: Kafka, folder: Path, partitions: int = 1) -> Flow:
    """Makes the topics."""
    group = kafka.name("guard")
    source = kafka.topic(partitions, name=f"{group}.in", max_message_bytes="200000")
    verdicts, rulings = kafka.topic(2, name=f"{group}.verdicts"), kafka.topic(2, name=f"{group}.rulings")
    letters = kafka.topic(1, name=f"{group}.letters")
    return Flow(kafka, folder, group, source, verdicts, rulings, letters)


def ends(kafka: Kafka, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends."""
    partitions = kafka.admin.list_topics(topic, timeout=10).topics[topic].partitions
    asked = {Position(topic, p): OffsetSpec.latest() for p in partitions}  # type: ignore[no-untyped-call]  # the library's
    return {p.partition: found.result(10).offset for p, found in kafka.admin.list_offsets(asked).items()}


class Service:
    """One `stream-guard run`. Everything that waits is bounded."""

    def __init__(
        self,
        configuration: Path,
        *flags: str,
        env: Mapping[str, str] | None = None,
        program: str = "stream_guard.cli",
        cwd: Path | None = None,
    ) -> None:
        """Starts it, in a session of its own; it does not outlive the thread that does so. `program` is a module to run."""
        count = sum(1 for _ in configuration.parent.glob("*.err"))
        self._out = configuration.parent / f"{count}.out"
        self._err = configuration.parent / f"{count}.err"
        tie = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command = [*tie, sys.executable, "-m", program, "run", "-c", str(configuration), *flags]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                env={**os.environ, **(env or {})}, cwd=cwd,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id, and that of its session."""
        return self._process.pid

    @property
    def files(self) -> tuple[Path, Path]:
        """Where its stdout and its stderr go."""
        return self._out, self._err

    @property
    def stdout(self) -> str:
        """What it wrote to stdout."""
        return self._out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """What it wrote to stderr."""
        return self._err.read_text(errors="replace")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of one event."""
        lines = [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line.get("event") == event]

    def get(self, path: str, accept: str = "") -> tuple[int, str]:
        """Asks its HTTP port. Raises TimeoutError where it is busy: an engine that loads keeps the interpreter for seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port(), timeout=10)
        try:
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except TimeoutError:
            raise
        except OSError as error:
            self._process.wait(10)
            raise AssertionError(f"ended with {self._process.returncode}: {self.stderr[-3000:]}") from error
        finally:
            connection.close()

    @property
    def address(self) -> str:
        """Where it serves metrics and health, once it does."""
        return f"http://127.0.0.1:{self._port()}"

    def _port(self) -> int:
        self.until(lambda: self.logged("http.listening"), START_S)
        return int(self.logged("http.listening")[0]["port"])

    def unready(self) -> str | None:
        """Why it is not ready, None where it is."""
        status, body = self.get("/ready")
        answer = json.loads(body)
        assert (status == 200) == (answer["status"] == "ok")
        return None if status == 200 else str(answer["reason"])

    def samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """The labels and values of one metric's samples."""
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            yield from ((dict(s.labels), s.value) for s in family.samples if s.name == name)

    def count(self, name: str, **labels: str) -> float:
        """The sum of a metric over the series that have these labels."""
        return sum(value for own, value in self.samples(name) if labels.items() <= own.items())

    def partitions(self) -> set[int]:
        """The partitions that it holds."""
        return {int(labels["partition"]) for labels, _ in self.samples("stream_guard_lag_seconds")}

    def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        """Waits until something holds while the process lives; else fails with the end of its log."""
        deadline = time.monotonic() + seconds
        while not _holds(holds):
            assert self._process.poll() is None, f"ended with {self._process.returncode}: {self.stderr[-3000:]}"
            assert time.monotonic() < deadline, f"waited {seconds} s in vain: {self.stderr[-3000:]}"
            time.sleep(0.05)

    def until_ready(self, seconds: float = START_S) -> None:
        """Waits until records flow."""
        self.until(lambda: self.unready() is None, seconds)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        """Waits for its end. Returns the exit code."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds} s: {self.stderr[-3000:]}") from None

    def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM, then the exit code."""
        self.signal()
        return self.wait(seconds)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """Kills what is left of its session: an engine's processes may outlive it."""
        for pid in session(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()


def session(leader: int) -> list[int]:
    """The processes of a session, zombies left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(sid) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


class Services:
    """Starts services and ends them all, whatever becomes of the test."""

    def __init__(self) -> None:
        """Starts none."""
        self._started: list[Service] = []

    def start(self, configuration: Path, *flags: str, **how: Any) -> Service:
        """One more; `how` is what `Service` takes."""
        self._started.append(Service(configuration, *flags, **how))
        return self._started[-1]

    def refused(self, configuration: Path, *flags: str, seconds: float = START_S) -> tuple[int, str]:
        """Starts one that will not run. Returns its exit code and what it wrote to stderr; it wrote nothing to stdout."""
        service = self.start(configuration, *flags)
        code = service.wait(seconds)
        assert service.stdout == ""
        return code, service.stderr

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all."""
        for service in self._started:
            service.end()


def _holds(what: Callable[[], object]) -> bool:
    """A process that is too busy to answer does not tell: asked again."""
    try:
        return bool(what())
    except TimeoutError:
        return False


def _merged(whole: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` laid over `whole`; an engine replaces the other whole."""
    merged = dict(whole)
    for key, value in more.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict) and key != "engine"
        merged[key] = _merged(merged[key], value) if nested else value
    return merged
