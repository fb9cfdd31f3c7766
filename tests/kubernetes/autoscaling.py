"""Shows KEDA at work: `python -m tests.kubernetes.autoscaling`.

The real operator and metrics server of KEDA look at the real lag of a group in a real Apache Kafka, and change the replicas of a
release of the chart. Its pods are kwok's and read nothing: this program writes the records, and commits for the group. They are in
two topics, of which each alone would call for half as many replicas.
The first run builds KEDA, which takes 700 CPU seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import Cluster, jars
from tests.fixtures_kafka import Kafka
from tests.kubernetes import tools
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.helm import Helm
from tests.kubernetes.keda_processes import keda_module, start_keda
from tests.kubernetes.namespaces import restricted_namespace
from tests.kubernetes.nodes import make_node
from tests.kubernetes.release import Release

PARTITIONS = 4
"""Of both topics together: one replica for each is the most that KEDA asks for."""
LAG = 100
"""Records: many more than PARTITIONS replicas shall have waiting."""
_EACH = range(PARTITIONS // 2)
_QUICK = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 1}]}
_PATIENCE_S = 120.0
_POLICY = "---\nid: adverts\n---\n"


@dataclass(frozen=True)
class Scene:
    """The lag, and the replicas that follow it."""

    kafka: Kafka
    release: Release
    group: str
    topics: tuple[str, str]
    since: float

    def grow(self) -> None:
        """Writes records that nobody reads."""
        for topic in self.topics:
            for partition in _EACH:
                self.kafka.send(topic, [b"{}"] * (LAG // PARTITIONS), partition)

    def settle(self) -> None:
        """Commits all there is, as a group that has caught up."""
        for topic in self.topics:
            self.kafka.commit(self.group, topic, dict.fromkeys(_EACH, LAG // PARTITIONS))

    def wait(self, replicas: int, why: str) -> None:
        """Tells each number of replicas until it is this one. Raises TimeoutError."""
        _say(f"{self._seconds:6.1f} s  {why}")
        seen: list[int] = []

        def arrived() -> bool:
            now = self.release.replicas()
            if now != seen:
                seen[:] = now
                _say(f"{self._seconds:6.1f} s  {now[0]} replicas")
            return now == [replicas]

        self.release.helm.cluster.wait(arrived, f"there are not {replicas} replicas", _PATIENCE_S)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self.since


def main() -> int:
    """Shows replicas that go up with the lag, and down with it. 0 where they did."""
    if reason := tools.why_not():
        sys.stderr.write(f"{reason}\n")
        return 2
    _say("Building Kubernetes and KEDA, where they are not built yet: 15 minutes each at worst")
    programs, keda = tools.kubernetes().build(), keda_module().build()
    with tempfile.TemporaryDirectory() as folder, _scene(Path(folder), programs, keda) as scene:
        scene.wait(1, "the group has caught up")
        scene.grow()
        scene.wait(
            PARTITIONS, f"{LAG} records wait in {PARTITIONS} partitions of two topics, and 10 may for each replica"
        )
        scene.settle()
        scene.wait(1, "the group has caught up again")
    return 0


@contextmanager
def _scene(folder: Path, programs: Path, keda: Path) -> Iterator[Scene]:
    # The controllers look at metrics every 15 s by themselves.
    often = ("--horizontal-pod-autoscaler-sync-period=2s", "--horizontal-pod-autoscaler-downscale-stabilization=1s")
    libs = jars()
    with (
        Cluster(libs=libs, root=folder / "kafka", archive=libs.parent / "kafka.jsa") as brokers,
        ControlPlane(programs, folder / "kubernetes", controllers=often) as cluster,
        restricted_namespace(cluster, "guard") as namespace,
    ):
        cluster.start_nodes()
        cluster.add_nodes(make_node("cpu-0"))
        start_keda(cluster, keda)
        kafka = Kafka(brokers.bootstrap)
        group, topics = kafka.name("guard"), (kafka.topic(len(_EACH)), kafka.topic(len(_EACH)))
        for topic in topics:
            kafka.commit(group, topic, dict.fromkeys(_EACH, 0))
        values = folder / "values.yaml"
        values.write_text(json.dumps(_values(kafka, group, topics)))  # JSON is YAML
        release = Release(Helm(4, cluster, folder), namespace, values)
        release.install()
        yield Scene(kafka, release, group, topics, time.monotonic())


def _values(kafka: Kafka, group: str, topics: tuple[str, str]) -> Mapping[str, Any]:
    """What scales as the chart does, but at once: nobody wants to watch for a quarter of an hour."""
    where = {"bootstrap_servers": kafka.bootstrap, "group": group, "start": "earliest"}
    outputs = {"verdicts": "verdicts", "rulings": "rulings", "dead_letters": "letters"}
    route = {"name": "chat", "topic": topics[0], "judge": ["message"], "policies": ["adverts"], "outputs": outputs}
    return {
        "image": {"repository": "stream-guard", "tag": "none"},
        "config": {"kafka": where, "engine": {"kind": "scripted"}, "routes": [route], "redrive": {"topic": topics[1]}},
        "policies": {"adverts.md": _POLICY},
        "gpu": {"enabled": False},
        "scaling": {
            "by": "keda",
            "maxReplicas": PARTITIONS,
            "recordsPerSecond": 1,
            "backlogSeconds": 10,
            "behavior": {"scaleUp": _QUICK, "scaleDown": _QUICK},
            "keda": {"pollingInterval": 1},
        },
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
