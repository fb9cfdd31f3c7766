"""What a cluster says of itself, asked once and kept as one value: for `stream-guard check --live`.

Nothing is changed, no group is joined, and no record is read. What the principal may not know stays None.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from enum import StrEnum
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from msgspec import Struct
from msgspec.structs import replace
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.attach import Start
from stream_guard.kafka.cluster.positions import PartitionFacts, Positions
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.kafka.faults import configuring, coordinator_moves, describe, telling
from stream_guard.kafka.settings import KafkaSettings

T = TypeVar("T")
_DENIED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
_ASK_AGAIN_S = 0.2


class Sight(StrEnum):
    """Whether a topic is there, as far as the principal may see."""

    SEEN = "seen"
    ABSENT = "absent"
    HIDDEN = "hidden"
    """It does not exist, or may not be seen: Kafka does not tell which."""
    UNTOLD = "untold"
    """The question failed in another way: see `Inspection.untold`."""


class TopicFacts(Struct, frozen=True):
    """A topic. Counts are the least of its partitions."""

    name: str
    sight: Sight
    partitions: int = 0
    replicas: int = 0
    in_sync: int = 0
    leaderless: int = 0
    """Partitions that nobody leads now: they can be neither read nor written."""
    operations: frozenset[str] | None = None
    """What the principal may do, in Kafka's words (`READ`); None where the broker does not say."""
    settings: Mapping[str, str] | None = None


class GroupFacts(Struct, frozen=True):
    """The consumer group. A group that does not exist yet is empty."""

    hidden: bool = False
    """The principal may not even see it."""
    members: int = 0
    protocol: str | None = None
    """`classic` or `consumer`, where it has members."""
    operations: frozenset[str] | None = None
    settings: Mapping[str, str] | None = None
    """Its own settings, the broker's where it has none of its own; None where they may not be known."""


class Untold(Struct, frozen=True):
    """A question without an answer, for another reason than that it may not be asked."""

    what: str
    why: str


class Inspection(Struct, frozen=True):
    """All that the cluster said."""

    cluster_id: str
    brokers: int
    inputs: tuple[str, ...]
    """The topics to read: those named, and those that match a pattern now."""
    topics: Mapping[str, TopicFacts]
    """Inputs and outputs."""
    group: GroupFacts
    broker_settings: Mapping[str, str] | None
    partitions: tuple[PartitionFacts, ...]
    """Where reading would begin in each partition of the inputs; none where the group's offsets may not be known."""
    untold: tuple[Untold, ...] = ()


def inspect(settings: KafkaSettings, selection: Selection, outputs: Collection[str], start: Start) -> Inspection:
    """Asks the cluster. Blocks, each question bounded. Raises StartRefused where it does not answer at all.

    1. the cluster and its topics; 2. the topics' shapes, rights and settings; 3. the group; 4. positions.
    """
    asking = _Asking(settings)
    cluster_id, brokers, names = asking.cluster()
    inputs = selection.among(names)
    topics = asking.topics({*inputs, *outputs})
    group = asking.group(settings.group)
    broker = asking.settings(ResourceType.BROKER, [str(min(brokers))]) if brokers else {}
    readable = {name: topics[name].partitions for name in inputs if topics[name].sight is Sight.SEEN}
    partitions = () if group.hidden else asking.positions(settings.group, readable, start, selection.carrying)
    return Inspection(
        cluster_id, len(brokers), inputs, topics, group, next(iter(broker.values()), None), partitions,
        tuple(asking.untold),
    )  # fmt: skip


class _Asking:
    """One client, and what it was not told."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.untold: list[Untold] = []
        self._last_error = ""
        self._timeout_s = settings.timeout_s
        self._bootstrap = settings.bootstrap
        config: dict[str, Any] = {**settings.client_config(), "log_level": 0, "error_cb": self._remember}
        with configuring("admin client"):
            self._client = AdminClient(config)

    def cluster(self) -> tuple[str, tuple[int, ...], frozenset[str]]:
        """The cluster's id, its brokers, and the topics that may be seen."""
        try:
            found = self._client.list_topics(timeout=self._timeout_s)
        except KafkaException as error:
            self._client.poll(0)  # the client's own words, if it has any: it alone knows of a wrong secret
            also = f"; the client says {self._last_error}" if self._last_error else ""
            raise StartRefused(
                f"Kafka at {self._bootstrap} does not answer: {describe(error.args[0])}{also}"
            ) from error
        cluster_id: str | None = found.cluster_id
        return cluster_id or "", tuple(found.brokers), frozenset(found.topics)

    def topics(self, names: Collection[str]) -> dict[str, TopicFacts]:
        """Each of these topics."""
        if not names:
            return {}
        asked = self._client.describe_topics(
            TopicCollection(sorted(names)), include_authorized_operations=True, request_timeout=self._timeout_s
        )
        found = {name: self._topic(name, future) for name, future in asked.items()}
        seen = [name for name, facts in found.items() if facts.sight is Sight.SEEN]
        settings = self.settings(ResourceType.TOPIC, seen)
        return {
            name: replace(facts, settings=settings[name]) if name in settings else facts
            for name, facts in found.items()
        }

    def _topic(self, name: str, future: Future[Any]) -> TopicFacts:
        try:
            told = future.result(self._timeout_s + 1)
        except (KafkaException, TimeoutError) as error:
            return TopicFacts(name, self._unseen(name, error))
        return TopicFacts(
            name=name,
            sight=Sight.SEEN,
            partitions=len(told.partitions),
            replicas=min((len(p.replicas) for p in told.partitions), default=0),
            in_sync=min((len(p.isr) for p in told.partitions), default=0),
            leaderless=sum(p.leader is None or p.leader.id < 0 for p in told.partitions),
            operations=_operations(told),
        )

    def _unseen(self, name: str, error: Exception) -> Sight:
        if _code(error) in _DENIED:
            return Sight.HIDDEN
        if _code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return Sight.ABSENT
        self._note(f"topic {name}", error)
        return Sight.UNTOLD

    def group(self, group: str) -> GroupFacts:
        """The consumer group."""
        try:
            told = self._patiently(lambda: self._described(group))
        except (KafkaException, TimeoutError) as error:
            if _code(error) not in _DENIED:
                self._note(f"consumer group {group}", error)
            return GroupFacts(hidden=_code(error) in _DENIED)
        members = len(told.members)
        return GroupFacts(
            members=members,
            protocol=told.type.name.lower() if members else None,
            operations=_operations(told),
            settings=self.settings(ResourceType.GROUP, [group]).get(group),
        )

    def _described(self, group: str) -> Any:
        asked = self._client.describe_consumer_groups(
            [group], include_authorized_operations=True, request_timeout=self._timeout_s
        )
        return asked[group].result(self._timeout_s + 1)

    def settings(self, kind: ResourceType, names: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """The settings of those that tell them."""
        resources = [ConfigResource(kind, name) for name in names]
        if not resources:
            return {}
        found: dict[str, Mapping[str, str]] = {}
        for resource, future in self._client.describe_configs(resources, request_timeout=self._timeout_s).items():
            try:
                told = future.result(self._timeout_s + 1)
            except (KafkaException, TimeoutError):  # old and managed brokers refuse it in many words
                continue
            found[resource.name] = {name: entry.value for name, entry in told.items() if entry.value is not None}
        return found

    def positions(
        self, group: str, topics: Mapping[str, int], start: Start, carrying: Collection[str]
    ) -> tuple[PartitionFacts, ...]:
        """Where reading would begin in each partition: in topics of ours at their beginning, whatever `start` says."""
        positions = Positions(self._client, self._timeout_s)
        foreign = {topic: count for topic, count in topics.items() if topic not in carrying}
        own = {topic: count for topic, count in topics.items() if topic in carrying}
        try:
            found = self._patiently(lambda: positions.begin(group, foreign, start))
            return found + self._patiently(lambda: positions.begin(group, own, "earliest"))
        except (KafkaException, TimeoutError) as error:
            self._note("the offsets of group and topics", error)
            return ()

    def _patiently(self, ask: Callable[[], T]) -> T:
        """A new cluster makes its offsets topic at the first question about a group."""
        again = Retrying(
            retry=retry_if_exception(coordinator_moves),
            stop=stop_after_delay(self._timeout_s),
            wait=wait_fixed(_ASK_AGAIN_S),
            reraise=True,
        )
        return again(ask)

    def _note(self, what: str, error: Exception) -> None:
        why = describe(error.args[0]) if isinstance(error, KafkaException) else "no answer in time"
        self.untold.append(Untold(what, why))

    def _remember(self, error: KafkaError) -> None:
        if telling(error) or not self._last_error:
            self._last_error = describe(error)


def _operations(told: Any) -> frozenset[str] | None:
    """What the principal may do; the client has None for nothing at all, too, but then it was not told anything else."""
    operations = told.authorized_operations
    return None if operations is None else frozenset(operation.name for operation in operations)


def _code(error: Exception) -> int | None:
    return error.args[0].code() if isinstance(error, KafkaException) else None
