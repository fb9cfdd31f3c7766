"""How the clients are configured: what is ours, what the operator may change, and what nobody may."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from stream_guard.kafka.credentials import Credentials

ClientConfig: TypeAlias = dict[str, str | int | float | bool]
Log: TypeAlias = Callable[..., None]
"""Called as `log("dotted.event", field=value, ...)`, from any thread."""


class GroupProtocol(StrEnum):
    """How the group rebalances."""

    CLASSIC = "classic"
    CONSUMER = "consumer"
    """KIP-848. The session timeout is then the broker's: 45 s where nobody lowered it."""


class KafkaSettings(Struct, frozen=True, kw_only=True):
    """Where Kafka is and how this process takes part. Overrides are librdkafka's own names, passed through.

    `client` goes to every client (security, client.id), `consumer` and `producer` to that one only. What the delivery
    promise rests on can't be overridden; the configuration refuses the attempt.
    """

    bootstrap: str
    group: str
    protocol: GroupProtocol = GroupProtocol.CLASSIC
    instance_id: str | None = None
    """The `group.instance.id` of this replica. None: a member that goes is forgotten at once."""
    client: Mapping[str, str] = {}
    consumer: Mapping[str, str] = {}
    producer: Mapping[str, str] = {}
    credentials: Credentials | None = None
    """What stands in files. Read anew, it is in force for every client that is made from then on."""
    drain_s: float = 8.0
    """How long a partition that is to leave may wait for its records to settle."""
    refresh_s: float = 30.0
    """How often topic patterns are matched against the cluster's topics, and it is looked whether a topic was made anew."""
    survey_s: float = 5.0
    """How often it is asked how far the partitions that are held reach."""
    batch_max: int = 500
    """Records taken from the consumer at once."""
    instance_wait_s: float = 75.0
    """How long to wait for an `instance_id` that is still held: longer than any session that a broker allows by default (60 s)."""
    timeout_s: float = 10.0
    """How long one question to the cluster may take."""
    rescue_memory: int = 1_342_177_280
    """Bytes that a child process may take to read what the consumer can't, or must not."""

    def __repr__(self) -> str:
        """Names what is set; values may be secrets."""
        names = sorted({*self.client, *self.consumer, *self.producer})
        return f"KafkaSettings({self.bootstrap}, group {self.group}, {self.protocol}, overrides {names})"

    @property
    def eager(self) -> bool:
        """Whether every rebalance takes all partitions away first: only where the operator chose such an assignor."""
        strategy = self.consumer_config()["partition.assignment.strategy"] if self._classic else "cooperative"
        return "cooperative" not in str(strategy)

    @property
    def batch_bytes(self) -> int:
        """The largest batch of several records that the producer makes."""
        return int(self.producer_config()["batch.size"])

    @property
    def _classic(self) -> bool:
        return self.protocol is GroupProtocol.CLASSIC

    @property
    def _heartbeat_ms(self) -> int:
        """A third of the session, so that it outlives two lost heartbeats."""
        return int({**self.client, **self.consumer}.get("session.timeout.ms", _SESSION_MS)) // 3

    def client_config(self) -> ClientConfig:
        """For the admin client and for lookups outside the group."""
        files = self.credentials.current.options if self.credentials else {}
        return {"bootstrap.servers": self.bootstrap, "client.id": "stream-guard", **self.client, **files}

    def consumer_config(self) -> ClientConfig:
        """For the one consumer of the poll thread."""
        group = {**_CLASSIC, "heartbeat.interval.ms": self._heartbeat_ms} if self._classic else {}
        own = {"group.id": self.group, "group.protocol": str(self.protocol), **_CONSUMER_FIXED}
        if self.instance_id is not None:
            own["group.instance.id"] = self.instance_id
        return {**_CONSUMER, **group, **self.client_config(), **self.consumer, **own}

    def lookup_config(self) -> ClientConfig:
        """For a consumer that only reads and commits offsets of the group and never joins it."""
        return {**self.client_config(), "group.id": self.group, "enable.auto.commit": False}

    def reader_config(self) -> ClientConfig:
        """For a consumer that is told where to read and never joins a group. What the operator says of fetching holds here too."""
        kept = {name: value for name, value in self.consumer_config().items() if name not in _OF_MEMBERS}
        return {**kept, "enable.auto.commit": False, "allow.auto.create.topics": False, "enable.partition.eof": True}

    def producer_config(self) -> ClientConfig:
        """For the one producer."""
        return {**_PRODUCER, **self.client_config(), **self.producer, **_PRODUCER_FIXED}

    @property
    def delivery_s(self) -> float:
        """How long it may take until it is known what became of an output; without end where the operator chose that."""
        config = self.producer_config()
        chosen = [int(config[name]) for name in ("delivery.timeout.ms", "message.timeout.ms") if name in config]
        return max(chosen) / 1000 if all(chosen) else math.inf


_CONSUMER_FIXED: Mapping[str, str | int | bool] = {
    "enable.auto.commit": True,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    # What was read to its end is no backlog, though a transaction's marker may stand behind its last record.
    "enable.partition.eof": True,
}
_CONSUMER: Mapping[str, str | int | bool] = {
    "auto.commit.interval.ms": 1000,
    "check.crcs": True,
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 5_000,
    # How soon partitions that were added are noticed under the classic protocol: 5 minutes by default.
    "topic.metadata.refresh.interval.ms": 30_000,
    # The default of 1 s stalls a queue as small as ours.
    "fetch.queue.backoff.ms": 50,
}
_OF_MEMBERS = frozenset(
    {
        "group.protocol", "group.remote.assignor", "group.instance.id", "session.timeout.ms", "heartbeat.interval.ms",
        "partition.assignment.strategy", "max.poll.interval.ms", "auto.commit.interval.ms",
    }
)  # fmt: skip
_SESSION_MS = 6_000
_CLASSIC: Mapping[str, str | int | bool] = {
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": _SESSION_MS,
}
_PRODUCER_FIXED: Mapping[str, str | int | bool] = {"acks": "all", "enable.idempotence": True}
_PRODUCER: Mapping[str, str | int | bool] = {
    "compression.type": "lz4",
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "delivery.timeout.ms": 120_000,
    # How long a topic that the brokers don't know is taken for one that they will know soon: 30 s by default. Somebody who deleted
    # a topic should hear of it sooner, and an output that failed too early is only sent again.
    "topic.metadata.propagation.max.ms": 5_000,
    # The topic says how large a record may be; batches stay at batch.size (1 MB). The queue must hold the largest.
    "message.max.bytes": 104_857_600,
    "queue.buffering.max.kbytes": 131_072,
}
