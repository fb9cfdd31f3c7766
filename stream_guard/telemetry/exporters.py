"""The export of metrics and traces by OTLP, where the environment asks for it; else nothing of the SDK is started.

Providers are never made global: vLLM's own instrumentation stays apart from ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stream_guard.telemetry import sampling
from stream_guard.telemetry.destinations import protocol
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.traces import RecordTracer, TraceIds


@asynccontextmanager
async def open_telemetry(*, group: str, provider: str) -> AsyncIterator[OtelTelemetry]:
    """Telemetry for the consumer group `group`, whose engine is `provider`. Leaving exports what is still held, bounded.

    Raises ConfigError where the environment names a protocol, a sampler or a ratio that there isn't.
    """
    rule, spans_by, metrics_by = sampling.from_environment(), protocol("TRACES"), protocol("METRICS")
    metrics, ids = Metrics(), TraceIds()
    if not spans_by and not metrics_by:
        yield OtelTelemetry(metrics, None)
        return
    # What exports takes a second to import, and mostly nothing is exported.
    from stream_guard.telemetry import providers
    from stream_guard.telemetry.otlp import SCOPE

    traces = providers.tracer_provider(spans_by, ids) if spans_by else None
    meters = providers.meter_provider(metrics_by, metrics) if metrics_by else None
    tracer = None
    if traces is not None:
        tracer = RecordTracer(traces.get_tracer(SCOPE), ids, rule, group=group, provider=provider)
    try:
        yield OtelTelemetry(metrics, tracer)
    finally:
        await asyncio.gather(*(asyncio.to_thread(each.shutdown) for each in (traces, meters) if each))
