"""Which topic stands behind a name, and of which topic a committed offset speaks.

A topic that is deleted and made anew has the name of the old one, other records, and another id (KIP-516). The client does
not keep them apart: it may read on from the old position, and where partitions leave it then, it commits that position once
more, for the new topic (seen with librdkafka 2.16 under both group protocols). So every commit carries, as its metadata, the
cluster and the id of the topic that it speaks of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

Ask: TypeAlias = Callable[[Collection[str]], Mapping[str, str | None]]
"""The ids of those topics that exist; None where the broker has none. Blocks, bounded; raises StartRefused without an answer."""

_MARK = "topic-id"


class TopicIds:
    """The ids of topics, as they were learned last. One thread at a time learns; any may look."""

    def __init__(self, ask: Ask, cluster: Callable[[], str]) -> None:
        """`cluster` asks for the cluster's id; raises StartRefused without an answer."""
        self._ask = ask
        self._ask_cluster = cluster
        self._cluster = ""
        self._known: dict[str, str | None] = {}
        self._outlived: set[tuple[str, str]] = set()
        self.held: frozenset[str] = frozenset()
        """The topics of which partitions are held."""
        self.look_soon: Callable[[], None] = lambda: None
        """Called in the poll thread when partitions came under ids that may be outdated."""

    def learn(self, topics: Collection[str]) -> frozenset[str]:
        """Asks for the ids of topics. Returns those that are not there. Raises StartRefused where the cluster does not answer."""
        self._cluster = self._cluster or self._ask_cluster()
        found = self._ask(topics)
        for topic, topic_id in found.items():
            before = self._known.get(topic)
            # A broker that lags behind may still tell of the old one: an id that was outlived never comes back.
            if (topic, topic_id) in self._outlived or (before and topic_id is None):
                continue
            if before and topic_id != before:
                self._outlived.add((topic, before))
            self._known[topic] = topic_id
        return frozenset(topics).difference(found)

    def unknown(self, topics: Collection[str]) -> frozenset[str]:
        """Those of which nothing was learned yet."""
        return frozenset(topics).difference(self._known)

    def of(self, topic: str) -> str | None:
        """The id of a topic; None where the broker has none."""
        return self._known.get(topic)

    def changed(self) -> frozenset[str]:
        """The topics of which partitions are held that have another id by now. What it finds is not kept. In any thread.

        Raises StartRefused where the cluster does not answer.
        """
        found = self._ask(self.held)
        return frozenset(topic for topic, topic_id in found.items() if differ(topic_id, self._known.get(topic)))

    def bookmark(self, topic_id: str | None) -> str:
        """The metadata of a commit."""
        return f"{_MARK}:{self._cluster}:{topic_id}" if topic_id else ""

    def named(self, metadata: str | None) -> str | None:
        """The id of the topic that a commit with this metadata speaks of, None where it names none.

        Metadata of others means nothing, nor does that of another cluster, whose offsets were translated for this one.
        """
        mark, _, rest = (metadata or "").partition(":")
        cluster, _, topic_id = rest.partition(":")
        return topic_id if (mark, cluster) == (_MARK, self._cluster) else None


def differ(one: str | None, other: str | None) -> bool:
    """Whether two ids are of two topics. What has no id is not told from anything."""
    return bool(one and other) and one != other
