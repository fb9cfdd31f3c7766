"""Questions to the cluster: its id, its topics, their ids and their size limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from msgspec import Struct

from stream_guard.errors import StartRefused
from stream_guard.kafka.credentials import Follower
from stream_guard.kafka.faults import configuring, describe, telling
from stream_guard.kafka.settings import KafkaSettings

MOCK_CLUSTER = "mockCluster"
"""How the ids of librdkafka's in-process clusters begin. Those have no controller: admin questions time out."""
_NO_SUCH_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART,)
_NOT_ALLOWED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
_ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"


class ClusterFacts(Struct, frozen=True):
    """What identifies where a record stands. A topic's id is None where the broker gives none (before 2.8)."""

    cluster_id: str
    topic_ids: Mapping[str, str | None]


class Admin:
    """Asks one cluster. Every question is bounded and raises StartRefused where it gets no answer. Any thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._last_error = ""
        self._cluster_id = ""
        self._settings = settings
        self._timeout_s = settings.timeout_s
        self._bootstrap = settings.bootstrap
        self._files = Follower(settings.credentials)
        self._made = self._make()

    @property
    def client(self) -> AdminClient:
        """What asks. Made anew where its credentials changed: nothing of it is worth keeping."""
        if self._files.change() is not None:
            self._made = self._make()
        return self._made

    def _make(self) -> AdminClient:
        config: dict[str, Any] = {**self._settings.client_config(), "log_level": 0, "error_cb": self._remember}
        with configuring("admin client"):
            return AdminClient(config)

    def cluster_id(self) -> str:
        """The cluster's id. It is asked for once: the answer names all of the cluster's topics."""
        if self._cluster_id:
            return self._cluster_id
        try:
            found: str | None = self.client.list_topics(timeout=self._timeout_s).cluster_id
        except KafkaException as error:
            raise self._unanswered("its id", error) from error
        if not found:
            raise StartRefused(f"the cluster at {self._bootstrap} has no id: verdict ids would not be unique")
        self._cluster_id = found
        return found

    def topics(self) -> frozenset[str]:
        """All topics that the principal may see."""
        try:
            return frozenset(self.client.list_topics(timeout=self._timeout_s).topics)
        except KafkaException as error:
            raise self._unanswered("its topics", error) from error

    def topic_ids(self, topics: Collection[str]) -> dict[str, str | None]:
        """The ids (KIP-516) of those topics that exist, as far as the principal may see them.

        None only where this cluster never gives one: after a passing failure, the same record would get another id.
        """
        if not topics:
            return {}
        if self.cluster_id().startswith(MOCK_CLUSTER):
            return dict.fromkeys(topics)
        futures = self.client.describe_topics(TopicCollection(list(topics)), request_timeout=self._timeout_s)
        found: dict[str, str | None] = {}
        for topic, future in futures.items():
            description = self._answer(future, f"the id of topic {topic!r}", absent=(*_NO_SUCH_TOPIC, *_NOT_ALLOWED))
            if description is not None:
                text = str(description.topic_id)
                found[topic] = None if text == _ZERO_ID else text
        return found

    def partitions(self, topics: Collection[str]) -> dict[str, int]:
        """How many partitions each topic has, of those that exist, as far as the principal may see them."""
        if not topics or self.cluster_id().startswith(MOCK_CLUSTER):
            return {}
        futures = self.client.describe_topics(TopicCollection(list(topics)), request_timeout=self._timeout_s)
        absent = (*_NO_SUCH_TOPIC, *_NOT_ALLOWED)
        found = {topic: self._answer(told, f"topic {topic!r}", absent=absent) for topic, told in futures.items()}
        return {topic: len(told.partitions) for topic, told in found.items() if told is not None}

    def operations(self, topics: Collection[str]) -> dict[str, frozenset[str] | None]:
        """What the principal may do with each topic, in Kafka's words (`READ`).

        Nothing where it may not even see it; None where the topic does not exist, or the cluster does not tell.
        """
        if self.cluster_id().startswith(MOCK_CLUSTER) or not topics:
            return dict.fromkeys(topics)
        futures = self.client.describe_topics(
            TopicCollection(sorted(topics)), include_authorized_operations=True, request_timeout=self._timeout_s
        )
        return {topic: self._allowed(future) for topic, future in futures.items()}

    def group_operations(self, group: str) -> frozenset[str] | None:
        """The same for a consumer group, which need not exist yet."""
        if self.cluster_id().startswith(MOCK_CLUSTER):
            return None
        (future,) = self.client.describe_consumer_groups(
            [group], include_authorized_operations=True, request_timeout=self._timeout_s
        ).values()
        return self._allowed(future)

    def _allowed(self, future: Future[Any]) -> frozenset[str] | None:
        try:
            operations = future.result(self._timeout_s + 1).authorized_operations
        except KafkaException as error:
            return frozenset() if error.args[0].code() in _NOT_ALLOWED else None
        except TimeoutError:
            return None
        return None if operations is None else frozenset(operation.name for operation in operations)

    def max_message_bytes(self, topics: Collection[str]) -> dict[str, int | None]:
        """The largest record batch each topic takes; None where the principal may not know, or the cluster can't say."""
        found = self.settings(topics)
        return {name: None if own is None else int(own["max.message.bytes"]) for name, own in found.items()}

    def settings(self, topics: Collection[str]) -> dict[str, Mapping[str, str] | None]:
        """The settings of each topic; None where the principal may not know, there is no such topic, or the cluster can't say."""
        if self.cluster_id().startswith(MOCK_CLUSTER):
            return dict.fromkeys(topics)
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        futures = self.client.describe_configs(resources, request_timeout=self._timeout_s) if resources else {}
        found: dict[str, Mapping[str, str] | None] = {}
        for resource, future in futures.items():
            what = f"the configuration of topic {resource.name!r}"
            config = self._answer(future, what, absent=(*_NOT_ALLOWED, *_NO_SUCH_TOPIC))
            found[resource.name] = None if config is None else {name: entry.value for name, entry in config.items()}
        return found

    def _answer(self, future: Future[Any], what: str, absent: Collection[int]) -> Any:
        try:
            return future.result(self._timeout_s + 1)
        except KafkaException as error:
            if error.args[0].code() in absent:
                return None
            raise self._unanswered(what, error) from error
        except TimeoutError as error:
            raise self._unanswered(what, error) from error

    def _remember(self, error: KafkaError) -> None:
        """Where a secret or a certificate is wrong, the question itself only times out."""
        if telling(error) or not self._last_error:
            self._last_error = describe(error)

    def _unanswered(self, what: str, error: Exception) -> StartRefused:
        self.client.poll(0)  # the client's own words, if it has any
        why = describe(error.args[0]) if isinstance(error, KafkaException) else "no answer in time"
        also = f"; the client says {self._last_error}" if self._last_error else ""
        return StartRefused(f"Kafka at {self._bootstrap} did not tell {what}: {why}{also}")


def cluster_facts(settings: KafkaSettings, topics: Collection[str]) -> ClusterFacts:
    """The cluster's id and the ids of those topics that exist. Raises StartRefused where it can't be asked."""
    admin = Admin(settings)
    return ClusterFacts(admin.cluster_id(), admin.topic_ids(topics))
