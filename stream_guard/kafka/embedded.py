"""A Kafka inside this process, for the demo: librdkafka's mock cluster.

It serves any client over 127.0.0.1 and forgets everything when it ends. It is no place for a test of what a broker
promises: no transactions, no retention, no size limits, no `offsets_for_times`, and it silently drops what exceeds
5 MB or 100,000 batches of a partition. A new topic gets 4 partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import Producer

_START_S = 10.0


@contextmanager
def embedded_broker(topics: Sequence[str] = ()) -> Iterator[str]:
    """Yields the bootstrap servers of a broker that lives as long as the block, with these topics."""
    owner = Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1, "log_level": 3})
    brokers = owner.list_topics(timeout=_START_S).brokers.values()
    for topic in topics:
        owner.list_topics(topic, timeout=_START_S)  # asking for a topic creates it
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    owner.flush(0)
