"""One record seen from its producer to a subscriber: a real broker, a real receiver, and the service as it is run.

The same with the real engine: tests/integration/test_service.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stream_guard.records import Headers
from tests.otlp_receiver import Received, otlp_receiver
from tests.published import Feed, message, read_published
from tests.service import MARKER, Flow, Services
from tests.tracing import check_one_trace, exporting, parties, trace_id

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def receiver() -> Iterator[Received]:
    """A receiver that listens."""
    with otlp_receiver() as received:
        yield received


@pytest.mark.timeout(180)
def test_one_trace_leads_from_a_producer_to_a_subscriber(flow: Flow, services: Services, receiver: Received) -> None:
    """Parents are right, the poll is linked, other records add nothing; the metrics name the trace as an example."""
    with parties(receiver) as party:
        headers = party.produced()
        feed = Feed(flow)
        feed.send([message(0), message(1)._replace(headers=headers), message(2)])
        service = services.start(flow.configuration(), env=exporting(receiver))
        service.until_ready()
        service.until(flow.done)
        shown = exemplars(service.get("/metrics", accept="application/openmetrics-text")[1])
        assert service.terminate() == 0
        (at,) = (place for place, plan in feed.sent.items() if plan.headers)
        published = read_published(flow)
        (carried,) = published.headers[at]
        party.received(carried)
    spans = receiver.spans
    found = check_one_trace(spans, headers, flow.source, [flow.verdicts, flow.rulings])
    assert len(found) == len(spans)
    assert shown == {trace_id(headers).hex()}
    assert all(untraced(published.headers[other][0]) for other in published.headers.keys() - {at})
    assert MARKER.encode() not in b"".join(request.SerializeToString() for request in receiver.traces)


def exemplars(text: str) -> set[str]:
    """The traces that a scrape names."""
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {s.exemplar.labels["trace_id"] for family in families for s in family.samples if s.exemplar is not None}


def untraced(headers: Headers) -> bool:
    """Whether a verdict speaks of no trace."""
    return all(name != "traceparent" for name, _ in headers)
