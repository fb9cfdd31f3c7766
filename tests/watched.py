"""What a service tells of itself, made by the service's own telemetry: `make_page(told)`."""

from __future__ import annotations

from prometheus_client import generate_latest

from stream_guard.telemetry.exposition import Page, read_page
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.prometheus import registry
from stream_guard.telemetry.scraping import Answer, Heard, Readiness
from stream_guard.watching.growth import STARTED
from stream_guard.watching.history import History
from stream_guard.watching.looking import look
from stream_guard.watching.view import View

BEGAN = 1_790_000_000.0
"""Unix time at which made processes began."""
URL = "http://127.0.0.1:9464"
OTHER = "http://127.0.0.1:9465"


def make_page(told: OtelTelemetry, began: float | None = BEGAN, more: str = "") -> Page:
    """What /metrics says then, and `more` lines of newer services. A process without `began` does not say when it began."""
    page = read_page(generate_latest(registry(told.metrics)).decode() + more)
    assert page is not None
    series = {name: found for name, found in page.series.items() if name != STARTED}
    return Page(series if began is None else series | {STARTED: {(): began}})


def make_answer(page: Page, at: float = 0.0, reason: str | None = None, note: str | None = None) -> Answer:
    """An answer of a service that says whether it is ready."""
    return Answer(at, page, Readiness(reason, note))


def make_history(*heard: Heard, window_s: float = 30.0) -> History:
    """A service that was asked so often."""
    history = History(window_s)
    for each in heard:
        history.told(each)
    return history


def make_view(*histories: History, now: float = 100.0) -> View:
    """What is seen of these services, two at most have names."""
    return look(dict(zip((URL, OTHER), histories, strict=False)), now, BEGAN + 3600)


def make_busy(records: int = 10, told: OtelTelemetry | None = None) -> OtelTelemetry:
    """A service that judged so many records under two policies, and is at work; `told` counts on."""
    told = told or OtelTelemetry()
    told.metrics.engine_up.set((), 1)
    told.outcome("chat", "judged", "", records)
    told.outcome("chat", "dead_lettered", "not_json", 2)
    told.outcome("chat", "ignored", "tombstone", 1)
    for number in range(records):
        violates = number % 5 == 0
        told.verdict("chat", "adverts", "flag" if violates else "allow", "")
        told.verdict("chat", "insults", "review" if violates else "allow", "unparseable" if violates else "")
        told.ruling("chat", "review" if violates else "allow")
        told.usage("adverts", 100, 80, 3, 0.004)
        told.usage("insults", 100, 40, 3, 0.004)
        told.latency("engine", 0.3)
        told.latency("total", 0.6)
    for reason in ("not_json", "not_json"):
        told.dead_letter("chat", "record", reason)
    told.dead_letter("chat", "case", "unparseable")
    told.retry("insults", "unparseable")
    told.in_flight(records=7, bytes=7000, tokens=1400, asks=14)
    told.lag("chat.in", 0, 1.5)
    told.lag("chat.in", 1, 4.25)
    told.assignment("assigned", 2)
    told.edition_in_force("3fa9c1d2e0b1a6d4")
    return told
