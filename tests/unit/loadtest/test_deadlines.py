"""Who is asked next matters once more comes than can be judged."""

from __future__ import annotations

from loadtest.deadlines import measure
from loadtest.queues import FirstInFirstOut
from stream_guard.judging.queue import Queue


def test_more_verdicts_come_in_time_and_no_partition_starves() -> None:
    """At twice the engine's pace, with mixed deadlines, against first in, first out; the same records in both."""
    base = measure("first in, first out", FirstInFirstOut(), 60.0, 2.0)
    own = measure("as it is", Queue(62_500), 60.0, 2.0)
    assert own.offered == base.offered
    assert own.in_time > 1.2 * base.in_time
    assert own.late < 0.02 * own.in_time
    fair = own.in_time / 4
    assert all(own.partitions[partition] > 0.8 * fair for partition in range(4))
