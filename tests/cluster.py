"""A real Apache Kafka for the tests: KRaft nodes on 127.0.0.1, each a JVM that this process starts and ends.

    with Cluster(libs=jars(), root=tmp_path) as kafka:
        Producer({"bootstrap.servers": kafka.bootstrap})

Every node is broker and controller at once. Only processes started here are ever signalled.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kept import is_kept, kept
from tests.ports import free_ports

_POM = Path(__file__).parent / "kafka" / "pom.xml"
_CACHE = Path(__file__).parent.parent / ".cache"
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto", "-Djava.awt.headless=true",
        "-Dlog4j2.disableJmx=true", "-Dorg.slf4j.simpleLogger.showDateTime=true")  # fmt: skip
_LIBS = "libs"
_START_S = 60.0
_STOP_S = 15.0


def why_not(cache: Path = _CACHE) -> str | None:
    """What keeps this machine from running a broker; None where nothing does."""
    missing = [] if shutil.which(_java()) else ["Java 17 or newer (java on the PATH)"]
    missing += (
        [] if is_kept("kafka", [_POM.read_bytes()], cache) or shutil.which("mvn") else ["Maven (mvn on the PATH)"]
    )
    return f"a real Apache Kafka needs {' and '.join(missing)}" if missing else None


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin", "java")) if home else "java"


def jars(cache: Path = _CACHE) -> Path:
    """The folder with the broker's jars; Maven fills it once, whoever comes first. Beside it there is room for what is made of them."""
    return kept("kafka", [_POM.read_bytes()], _fetch, cache) / _LIBS


def _fetch(folder: Path) -> None:
    command = [
        "mvn",
        "-q",
        "-B",
        "-f",
        str(_POM),
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder / _LIBS}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch the broker's jars: {done.stdout[-2000:]}{done.stderr[-2000:]}")


@dataclass
class Cluster:
    """Kafka nodes, numbered from 1. `overrides` may say ${node}, ${port}, ${controller}, and ${extra1} for an extra port."""

    libs: Path
    root: Path
    nodes: int = 1
    overrides: Mapping[str, str] = field(default_factory=dict)
    heap: str = "256m"
    archive: Path | None = None
    """A class-data archive: written when node 1 first ends well, used ever after (a start is 1.5 times faster)."""
    extra_ports: int = 0
    """Ports of a node for listeners of the test's own."""
    client: Mapping[str, str] = field(default_factory=dict)
    """What a client needs to ask whether a node is ready."""
    jvm: Sequence[str] = ()
    """More arguments for the nodes' JVMs."""

    def __post_init__(self) -> None:
        """Picks the ports: `bootstrap` is known before the nodes run."""
        self.root.mkdir(parents=True, exist_ok=True)
        each = 2 + self.extra_ports
        ports = free_ports(each * self.nodes)
        self.ports = dict(enumerate(ports[::each], start=1))
        self._controllers = dict(enumerate(ports[1::each], start=1))
        self.extra = {node: ports[(node - 1) * each + 2 : node * each] for node in self.ports}
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def bootstrap(self) -> str:
        """The servers to give a client."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def __enter__(self) -> Self:
        """Formats the storage and starts every node."""
        self._format()
        self.start(*self.ports)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends every node."""
        self.stop()

    def start(self, *nodes: int) -> None:
        """Starts these nodes and waits until every running one knows all the others."""
        self.spawn(*nodes)
        deadline = time.monotonic() + _START_S
        for node in tuple(self._running):
            self._wait_ready(node, deadline)

    def spawn(self, *nodes: int) -> None:
        """Starts these nodes and waits for nothing. They end with the thread that calls this, not only with the process."""
        for node in nodes:
            with self.log(node).open("ab") as log:
                self._running[node] = subprocess.Popen(
                    self._java(self.heap, *self.jvm, "kafka.Kafka", str(self._properties(node)), archive=True),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip

    def kill(self, node: int) -> None:
        """SIGKILL: the node vanishes without a controlled shutdown."""
        self._running[node].kill()
        self._running.pop(node).wait()

    def end(self, node: int) -> None:
        """SIGTERM: the node hands over what it leads, then goes."""
        self._running[node].terminate()
        _end(self._running.pop(node), _STOP_S)

    def signal(self, node: int, number: signal.Signals) -> None:
        """Sends a node a signal."""
        self._running[node].send_signal(number)

    @property
    def running(self) -> tuple[int, ...]:
        """The nodes that run."""
        return tuple(self._running)

    def stop(self) -> None:
        """Ends all nodes. One that must still write the class-data archive gets the time for it."""
        for process in self._running.values():
            process.terminate()
        patience_s = 3.0 if self.archive is None or self.archive.exists() else _STOP_S
        for process in self._running.values():
            _end(process, patience_s)
        self._running.clear()
        if self.archive and self._fresh_archive.exists():
            self._fresh_archive.replace(self.archive)

    def restart(self, overrides: Mapping[str, str]) -> None:
        """Ends all nodes and starts them with other settings; what they hold stays."""
        nodes = tuple(self._running)
        self.stop()
        self.overrides = overrides
        self._configure()
        self.start(*nodes)

    def log(self, node: int) -> Path:
        """What this node wrote."""
        return self.root / f"node{node}.log"

    def _format(self) -> None:
        """Formats node 1 (one JVM, about 1 s) and clones its metadata: cheaper than a JVM a node."""
        self._configure()
        command = self._java("128m", "kafka.tools.StorageTool", "format", "--cluster-id", _random_id(),
                             "--config", str(self._properties(1)))  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"StorageTool failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        for node in range(2, self.nodes + 1):
            shutil.copytree(self._storage(1), self._storage(node))
            meta = self._storage(node) / "meta.properties"
            text = re.sub(r"(?m)^node\.id=.*$", f"node.id={node}", meta.read_text())
            meta.write_text(re.sub(r"(?m)^directory\.id=.*$", f"directory.id={_random_id()}", text))

    def _configure(self) -> None:
        for node in self.ports:
            self._properties(node).write_text("".join(f"{k}={v}\n" for k, v in self._settings(node).items()))

    def _wait_ready(self, node: int, deadline: float) -> None:
        """Asks the node itself: one that was killed stays in the others' metadata for a while."""
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.ports[node]}", "log_level": 0,
                             "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, **self.client})  # fmt: skip
        while not self._knows_all(admin):
            if self._running[node].poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(
                    f"Kafka node {node} did not start: {self.log(node).read_text(errors='replace')[-3000:]}"
                )
            time.sleep(0.05)

    def _knows_all(self, admin: AdminClient) -> bool:
        try:
            return len(admin.list_topics(timeout=1).brokers) >= len(self._running)
        except KafkaException:
            return False

    def _storage(self, node: int) -> Path:
        return self.root / f"storage{node}"

    def _properties(self, node: int) -> Path:
        return self.root / f"node{node}.properties"

    @property
    def _fresh_archive(self) -> Path:
        return self.root / "classes.jsa"

    def _java(self, heap: str, *arguments: str, archive: bool = False) -> list[str]:
        classes = os.pathsep.join(sorted(str(jar.resolve()) for jar in self.libs.glob("*.jar")))
        options = self._archive_options() if archive else []
        # A JVM must not outlive a test process that is killed. The tie is to the thread that starts it: start nodes from one that stays.
        tie = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        return [*tie, _java(), f"-Xmx{heap}", *_JVM, *options, "-cp", classes, *arguments]

    def _archive_options(self) -> list[str]:
        if self.archive is None:
            return []
        if self.archive.exists():
            return [f"-XX:SharedArchiveFile={self.archive.resolve()}"]
        return [] if self._running else [f"-XX:ArchiveClassesAtExit={self._fresh_archive.resolve()}"]

    def _settings(self, node: int) -> dict[str, str]:
        copies, in_sync = str(min(3, self.nodes)), "2" if self.nodes >= 3 else "1"
        own = {
            "process.roles": "broker,controller",
            "node.id": "${node}",
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{p}" for n, p in self._controllers.items()),
            "controller.listener.names": "CONTROLLER",
            "listeners": "CLIENT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}",
            "advertised.listeners": "CLIENT://127.0.0.1:${port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "log.dirs": str(self._storage(node).resolve()),
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
        }
        values = {"node": node, "port": self.ports[node], "controller": self._controllers[node]}
        values |= {f"extra{number}": port for number, port in enumerate(self.extra[node], start=1)}
        settings = {**own, **_FOR_TESTS, **self.overrides}
        return {k: re.sub(r"\$\{(\w+)\}", lambda m: str(values[m[1]]), v) for k, v in settings.items()}


_FOR_TESTS: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # 9 s by default: a SIGKILL stalls acks=all, and blocks the node's restart, for that long.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # KIP-848 sessions are the broker's: 45 s by default, and every rebalance waits for the 5 s heartbeat.
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
    # 128 MiB by default, taken from the heap at start.
    "log.cleaner.dedupe.buffer.size": "8388608",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def _random_id() -> str:
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass  # StorageTool would read a leading "-" as an option
    return text


def _end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
