"""What is told of a record that ended."""

from __future__ import annotations

from stream_guard.accounts import Accounts
from stream_guard.telemetry.otel import OtelTelemetry
from tests.cases import NOW_MS, make_docket, make_record, make_tombstone


def test_only_what_somebody_waits_for_counts_for_the_objective() -> None:
    """A record that is dead-lettered has its time until all was acknowledged; one that is ignored has none."""
    telemetry, docket = OtelTelemetry(), make_docket()
    accounts = Accounts(telemetry, lambda: NOW_MS / 1000 + 2, "model")
    for hearing in docket.open([make_record(b"?", offset=1), make_tombstone(2)], [None, None], 0.0, NOW_MS):
        accounts.settled(hearing, 1.0)
    told = {stage: reading.count for (stage,), reading in telemetry.metrics.stage_duration.read().items()}
    assert told == {"settle": 2, "total": 1}
