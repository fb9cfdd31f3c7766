"""Three brokers whose parts are known: who leads the controllers, who coordinates a group, whether all replicas are in sync."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from confluent_kafka import KafkaException

from tests.cluster import Cluster, jars
from tests.fixtures_kafka import Kafka
from tests.service import Flow

NODES = 3
_LEADER = re.compile(r"RaftManager id=(\d+)\] Completed transition to Leader\(.*?\bepoch=(\d+)")
_OFFSETS = "__consumer_offsets"
_PATIENCE_S = 60.0


class Role(StrEnum):
    """What a node is to a flow."""

    CONTROLLER = "controller"
    """It leads the controllers."""
    COORDINATOR = "coordinator"
    """It coordinates the flow's group."""
    LEADER = "leader"
    """It leads partition 0 of the flow's source topic."""
    RULINGS = "leader of rulings"
    """It leads partition 0 of the topic of rulings."""


class Brokers:
    """The nodes of a cluster, and what each of them is."""

    def __init__(self, cluster: Cluster) -> None:
        """Connects."""
        self.cluster = cluster
        self.kafka = Kafka(cluster.bootstrap, replicas=NODES)

    def node(self, role: Role, flow: Flow) -> int:
        """The node that plays a part just now. Raises KafkaException where the cluster does not tell."""
        if role is Role.CONTROLLER:
            return self._controller()
        if role is Role.COORDINATOR:
            partitions = self.kafka.admin.list_topics(_OFFSETS, timeout=10).topics[_OFFSETS].partitions
            return int(partitions[java_hash(flow.group) % len(partitions)].leader)
        topic = flow.source if role is Role.LEADER else flow.rulings
        return int(self.kafka.admin.list_topics(topic, timeout=10).topics[topic].partitions[0].leader)

    def _controller(self) -> int:
        """By the nodes' own logs: no client can ask for it."""
        found = [
            (int(epoch), int(node))
            for number in self.cluster.ports
            for node, epoch in _LEADER.findall(self.cluster.log(number).read_text(errors="replace"))
        ]
        return max(found)[1]

    def healed(self, topics: Collection[str]) -> bool:
        """Whether every partition has a leader, and all its replicas in sync; those of the groups' offsets too."""
        try:
            known = self.kafka.admin.list_topics(timeout=2).topics
        except KafkaException:
            return False
        own = [known[name] for name in (*topics, _OFFSETS) if name in known]
        return all(p.leader >= 0 and len(p.isrs) == NODES for topic in own for p in topic.partitions.values())

    def until_healed(self, topics: Collection[str] = ()) -> None:
        """Waits for that. Raises TimeoutError."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.healed(topics):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {_PATIENCE_S:.0f} s for all replicas to be in sync")
            time.sleep(0.2)


def java_hash(text: str) -> int:
    """`String.hashCode` without its sign: which partition of the groups' offsets a group belongs to, and so its coordinator.

    The client's own question (`describe_consumer_groups`) is none to ask while brokers die: it got no answer for five minutes, and then
    librdkafka 2.16 failed an assertion of its own.
    """
    found = 0
    for character in text:
        found = (31 * found + ord(character)) & 0xFFFFFFFF
    signed = found - (1 << 32) if found >> 31 else found
    return 0 if signed == -(1 << 31) else abs(signed)


@contextmanager
def three_brokers(root: Path) -> Iterator[Brokers]:
    """Three nodes, replication factor 3, two in sync at least. They are killed at the end: nobody needs what they hold."""
    libs = jars()
    archive = libs.parent / "kafka.jsa"
    with Cluster(libs=libs, root=root, nodes=NODES, heap="384m", archive=archive) as cluster:
        try:
            yield Brokers(cluster)
        finally:
            if archive.exists():
                for node in cluster.running:
                    cluster.kill(node)
