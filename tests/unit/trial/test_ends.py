"""Both ends of a trial."""

from __future__ import annotations

import asyncio

import pytest

from stream_guard.delivery.ports import Output
from stream_guard.errors import InvariantViolated
from stream_guard.records import Assigned, Intake, Lease, Record
from stream_guard.trial.ends import KeepingSink, SampleSource
from stream_guard.trial.transcript import Transcript

ONE, TWO = Lease("t", 0, 0), Lease("t", 1, 0)
RECORDS = [Record(ONE, 3, b"a"), Record(TWO, 0, b"b"), Record(ONE, 4, b"c")]


async def test_the_leases_come_first_then_records_as_credit_allows() -> None:
    """Each once; a record without credit waits."""
    source = SampleSource(RECORDS)
    source.grant(2)
    assert await source.receive() == [Assigned((ONE, TWO))]
    assert await source.receive() == [Intake(RECORDS[:2])]
    later = asyncio.create_task(source.receive())
    await asyncio.sleep(0)
    assert not later.done()
    source.grant(5)
    assert await later == [Intake(RECORDS[2:])]


async def test_records_come_a_few_at_a_time() -> None:
    """So that those of the first few have all their verdicts soon, under however many policies."""
    records = [Record(ONE, offset, b"a") for offset in range(40)]
    source = SampleSource(records)
    source.grant(100)
    await source.receive()
    delivered = [await source.receive() for _ in range(3)]
    assert delivered == [[Intake(records[:16])], [Intake(records[16:32])], [Intake(records[32:])]]


async def test_at_the_end_nothing_comes_any_more() -> None:
    """It waits, as a topic would on which nobody writes."""
    source = SampleSource(RECORDS)
    source.grant(100)
    await source.receive()
    await source.receive()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.receive(), 0.01)
    source.store({ONE: 5})
    source.released([ONE], {ONE: 5})
    source.pause([ONE])
    source.resume([ONE])
    await source.close()


async def test_the_sink_takes_nothing_that_is_not_the_pipelines() -> None:
    """What has no receipt belongs to no record."""
    sink = KeepingSink(Transcript(lambda _: None, lambda: 0.0, reveal=False))
    with pytest.raises(InvariantViolated):
        sink.send([Output("verdicts", None, b"", (), None)])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sink.reports(), 0.01)
    await sink.close()
