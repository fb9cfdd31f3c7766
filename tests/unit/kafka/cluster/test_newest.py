"""Which records are the newest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.kafka.cluster.newest import Newest, Stretch
from stream_guard.records import Lease, Record

NO_END = 10**9


def make_record(partition: int, offset: int, timestamp_ms: int | None, size: int = 1) -> Record:
    """A record of so many bytes."""
    return Record(Lease("t", partition, 0), offset, bytes(size), timestamp_ms=timestamp_ms)


def read_all(logs: dict[int, list[Record]], last: int, max_bytes: int = NO_END) -> tuple[Newest, int]:
    """Reads these logs as the tail does. Returns what was kept, and how many records were read."""
    newest, read = Newest(last, max_bytes), 0
    stretches = [Stretch(p, 0, max((r.offset for r in log), default=-1) + 1) for p, log in logs.items()]
    while wanted := [s for s in stretches if newest.wants(s)]:
        for stretch in wanted:
            first, end = stretch.further_back(newest.share(len(logs)))
            for record in logs[stretch.partition]:
                if first <= record.offset < end:
                    read += 1
                    newest.offer(record, stretch)
    return newest, read


@st.composite
def rising_logs(draw: st.DrawFn) -> dict[int, list[Record]]:
    """Some partitions: timestamps rise, offsets have gaps."""
    logs: dict[int, list[Record]] = {}
    for partition in range(draw(st.integers(1, 4))):
        steps = draw(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 50)), max_size=60))
        offset, at, log = -1, 1, []
        for gap, pause in steps:
            offset, at = offset + gap, at + pause
            log.append(make_record(partition, offset, at))
        logs[partition] = log
    return logs


@given(rising_logs(), st.integers(1, 50))
def test_the_newest_are_kept_whatever_the_partitions_look_like(logs: dict[int, list[Record]], last: int) -> None:
    """Their timestamps are those of the last N of all records, and each partition's are its last."""
    kept = read_all(logs, last)[0].in_order()
    every = sorted((r.timestamp_ms or 0 for log in logs.values() for r in log), reverse=True)
    assert sorted((r.timestamp_ms or 0 for r in kept), reverse=True) == every[:last]
    for partition, log in logs.items():
        own = [r.offset for r in kept if r.partition == partition]
        assert own == [r.offset for r in log][len(log) - len(own) :]


def test_a_busy_partition_is_read_further_back_than_a_quiet_one() -> None:
    """Nobody reads a whole log to find that its end is old."""
    busy = [make_record(0, n, 1_000_000 + n) for n in range(1000)]
    quiet = [make_record(1, n, n) for n in range(1000)]
    newest, read = read_all({0: busy, 1: quiet}, 100)
    assert [r.offset for r in newest.in_order()] == list(range(900, 1000))
    assert read < 300


def test_a_log_without_timestamps_is_not_read_to_its_beginning() -> None:
    """The last of each partition are as good as any."""
    logs = {p: [make_record(p, n, None) for n in range(5000)] for p in range(2)}
    newest, read = read_all(logs, 64)
    assert [(r.partition, r.offset) for r in newest.in_order()] == [(p, n) for p in range(2) for n in range(4968, 5000)]
    assert read < 200


def test_bytes_are_bounded_and_one_record_is_always_kept() -> None:
    """What is too much goes, the oldest first."""
    log = [make_record(0, n, n, size=100) for n in range(50)]
    newest, read = read_all({0: log}, 40, max_bytes=1000)
    assert [r.offset for r in newest.in_order()] == list(range(40, 50))
    assert newest.full
    assert read <= 40
    assert len(read_all({0: log}, 40, max_bytes=1)[0].in_order()) == 1


def test_a_partition_keeps_its_order_where_timestamps_do_not_rise() -> None:
    """A late event stands where it stands in the log."""
    stamps = [5, 9, 2, 7]
    log = [make_record(0, offset, stamp) for offset, stamp in enumerate(stamps)]
    newest, _ = read_all({0: log, 1: [make_record(1, 0, 8)]}, 10)
    assert [(r.partition, r.offset) for r in newest.in_order()] == [(0, 0), (1, 0), (0, 1), (0, 2), (0, 3)]
