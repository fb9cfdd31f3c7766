"""How far partitions reach, and since when they hold what they hold. Offsets are asked for alone: DESCRIBE is enough.

What can't be asked now is left out; whoever watches asks again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream_guard.kafka.cluster.positions import Positions
from stream_guard.records import Extent, TopicPartition

_EARLIEST: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the library's
_LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's
_OLDEST: Any = OffsetSpec.for_timestamp(0)


def ends(
    client: AdminClient, partitions: Iterable[TopicPartition], timeout_s: float, *, committed_only: bool = True
) -> dict[TopicPartition, int]:
    """The offset after the last record of each; with `committed_only` as far as no transaction is open. Blocks, bounded."""
    level = IsolationLevel.READ_COMMITTED if committed_only else IsolationLevel.READ_UNCOMMITTED
    found = _ask(client, dict.fromkeys(partitions, _LATEST), timeout_s, isolation_level=level)
    return {where: told.offset for where, told in found.items()}


def extents(
    client: AdminClient,
    reach: Mapping[TopicPartition, int],
    begins: Mapping[TopicPartition, int | None],
    unaged: Collection[TopicPartition],
    timeout_s: float,
) -> dict[TopicPartition, Extent]:
    """What is known of each partition that reaches so far. Blocks, bounded.

    `begins` are the offsets where their leases began, None where that was the log's beginning; `unaged` are those of which it is not known yet
    when the record there was written.
    """
    open_ended = [where for where in reach if begins.get(where) is None]
    found = _ask(client, dict.fromkeys(open_ended, _EARLIEST), timeout_s)
    at = {where: begin for where, begin in begins.items() if begin is not None}
    at |= {where: told.offset for where, told in found.items()}
    ages = _ages(client, {w: at[w] for w in unaged if w in at and w in reach and at[w] < reach[w]}, timeout_s)
    return {where: Extent(end, at.get(where), ages.get(where)) for where, end in reach.items()}


def oldest(client: AdminClient, topics: Mapping[str, int], timeout_s: float) -> dict[str, int | None]:
    """When the oldest record that is still in each topic, of so many partitions, was written: Unix time in milliseconds, None where
    it is empty. A topic of which a partition can't be asked is left out. Blocks, bounded.
    """
    asked = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
    found = _ask(client, dict.fromkeys(asked, _OLDEST), timeout_s)
    whole = [topic for topic, count in topics.items() if all(TopicPartition(topic, n) in found for n in range(count))]
    times = {topic: [found[w].timestamp for w in asked if w.topic == topic and found[w].offset >= 0] for topic in whole}
    return {topic: min(written, default=None) for topic, written in times.items()}


def _ages(client: AdminClient, at: Mapping[TopicPartition, int], timeout_s: float) -> dict[TopicPartition, int]:
    try:
        return Positions(client, timeout_s).ages(at) if at else {}
    except (KafkaException, TimeoutError):
        return {}


def _ask(
    client: AdminClient, asked: Mapping[TopicPartition, Any], timeout_s: float, **options: Any
) -> dict[TopicPartition, Any]:
    """The answers there are."""
    if not asked:
        return {}
    futures = client.list_offsets(
        {Position(*w): spec for w, spec in asked.items()}, request_timeout=timeout_s, **options
    )
    answers = {TopicPartition(p.topic, p.partition): _answer(future, timeout_s) for p, future in futures.items()}
    return {where: told for where, told in answers.items() if told is not None}


def _answer(future: Future[Any], timeout_s: float) -> Any | None:
    try:
        return future.result(timeout_s + 1)
    except (KafkaException, TimeoutError):
        return None
