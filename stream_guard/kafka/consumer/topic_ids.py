"""Which topic stands behind a name, and of which topic a committed offset speaks.

A topic that is deleted and made anew has the name of the old one, other records, and another id (KIP-516). The client does
not keep them apart: it may read on from the old position, and where partitions leave it then, it commits that position once
more, for the new topic (seen with librdkafka 2.16 under both group protocols). So every commit carries, as its metadata, the
id of the topic that it speaks of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from stream_guard.errors import StartRefused
from stream_guard.kafka.settings import Log

Ask: TypeAlias = Callable[[Collection[str]], Mapping[str, str | None]]
"""The ids of those topics that exist; None where the broker has none. Blocks, bounded; raises StartRefused without an answer."""

_ATTEMPTS = 3
_ASK_AGAIN_S = 0.3
_TOPIC_ID = "topic-id:"


class TopicIds:
    """The ids as they were learned last. The poll thread alone learns; any thread may look."""

    def __init__(self, ask: Ask, log: Log) -> None:
        self._ask = ask
        self._log = log
        self._known: dict[str, str | None] = {}
        self._unknown: frozenset[str] = frozenset()

    def learn(self, topics: Collection[str]) -> None:
        """Asks for the ids of topics. Raises StartRefused where the cluster does not answer, several times."""
        missing = set(topics)
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_ASK_AGAIN_S)
            try:
                found = self._ask(missing)
            except StartRefused:
                if attempt + 1 == _ATTEMPTS:
                    raise
                continue
            self._known.update(found)
            missing -= found.keys()
            if not missing:
                break
        self._unknown = self._unknown.difference(topics) | missing
        if missing:
            self._log("kafka.topic_ids_unknown", topics=sorted(missing))

    def known(self, topic: str) -> bool:
        """Whether the topic was there when it was last asked for."""
        return topic in self._known and topic not in self._unknown

    def of(self, topic: str) -> str | None:
        """The id of a topic; None where the broker has none, or it is not known."""
        return self._known.get(topic)

    def changed(self) -> frozenset[str]:
        """The topics that have another id than they had, or are there at last. In any thread; what it finds is not kept.

        Raises StartRefused where the cluster does not answer.
        """
        known, unknown = dict(self._known), self._unknown
        found = self._ask(known.keys() | unknown)
        return frozenset(t for t, topic_id in found.items() if t in unknown or topic_id != known[t])


def bookmark(topic_id: str | None) -> str:
    """The metadata of a commit."""
    return f"{_TOPIC_ID}{topic_id}" if topic_id else ""


def of_another_topic(metadata: str | None, topic_id: str | None) -> bool:
    """Whether a commit with this metadata speaks of an earlier topic of the same name. Metadata of others means nothing."""
    return bool(metadata and topic_id) and str(metadata).startswith(_TOPIC_ID) and metadata != bookmark(topic_id)
