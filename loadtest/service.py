"""The arm under test: the service itself, in a process of its own, measured while it works off a topic.

    python -m loadtest.service JOB

It is what `stream-guard run` starts, with settings from the job instead of a file. Start-up, imports and joining the
group are left out: the clocks run from just before the first record to the last one's settlement.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from loadtest.job import NAMESPACE, POLICY, ROUTE, Cost, Job, Reading
from stream_guard.app import serve
from stream_guard.config import Settings
from stream_guard.health import Status
from stream_guard.pipeline import Pipeline
from stream_guard.telemetry.logs import configure_logging

_LOOK_S = 0.01
_POLICIES = Path(__file__).parent.parent / "policies"


def settings(job: Job, engine: dict[str, Any]) -> Settings:
    """The service's settings for a job: everything that the job doesn't say is the default."""
    return Settings.model_validate({
        "namespace": NAMESPACE,
        "kafka": {"bootstrap_servers": job.bootstrap, "group": job.group, "start": "earliest"},
        "engine": engine,
        "policies": (_POLICIES / f"{POLICY}.md",),
        "routes": [{
            "name": ROUTE, "topic": job.topic, "judge": ["message"], "policies": [POLICY],
            "outputs": {"verdicts": job.verdicts, "rulings": job.rulings, "dead_letters": job.dead_letters},
        }],
        "telemetry": {"http_port": None, "log_level": "warning"},
    })  # fmt: skip


async def worked_off(pipeline: Pipeline, records: int) -> Cost:
    """Waits until so many records have settled. Returns what they cost; on the pipeline's own thread."""
    start = Reading.now()
    while not pipeline.window.records and not _settled(pipeline):
        start = Reading.now()
        await asyncio.sleep(_LOOK_S)
    while _settled(pipeline) < records:  # noqa: ASYNC110 - looks from outside, so that nothing is added to what is measured
        await asyncio.sleep(_LOOK_S)
    return Cost.since(start, records)


def _settled(pipeline: Pipeline) -> int:
    """Records below the committable offsets; every partition begins at 0."""
    return sum(ledger.committable or 0 for ledger in pipeline.ledgers)


class _Measured(Status):
    """Measures the service once it runs, then stops it."""

    def __init__(self, records: int) -> None:
        super().__init__()
        self._records = records
        self.measuring: asyncio.Task[Cost] | None = None

    def runs(self, pipeline: Pipeline, patience_s: float = 600.0) -> None:
        super().runs(pipeline, patience_s)
        self.measuring = asyncio.create_task(self._measure(pipeline))

    async def _measure(self, pipeline: Pipeline) -> Cost:
        try:
            return await worked_off(pipeline, self._records)
        finally:
            self.stop.set()


async def measure(job: Job) -> Cost:
    """Runs the service with the scripted engine until the job is done."""
    status = _Measured(job.records)
    await serve(settings(job, {"kind": "scripted", "violation_share": 0.0}), status, attach=True)
    if status.measuring is None:
        raise RuntimeError("the service ended before it ran")
    return await status.measuring


if __name__ == "__main__":
    configure_logging("WARNING")
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(measure(msgspec.json.decode(sys.argv[1], type=Job)))))
