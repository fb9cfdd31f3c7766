from __future__ import annotations

from pathlib import Path

from stream_guard.telemetry import names, reference
from stream_guard.telemetry.accumulators import MAX_SERIES, Counter
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.vocabulary import OTHER, Attribute, Metric, Span


def every_attribute() -> list[Attribute]:
    """The attributes of all metrics and spans."""
    lists = [*(m.attributes for m in names.METRICS), *(s.attributes for s in names.SPANS)]
    return [attribute for attributes in lists for attribute in attributes]


def test_every_metric_is_listed_once_and_counted_by_one_accumulator() -> None:
    """The list and the accumulators are the same set, and no two metrics share a name in either face."""
    metrics = Metrics()
    counted = [a.metric for a in (*metrics.counters, *metrics.gauges, *metrics.histograms)]
    assert sorted(m.name for m in names.METRICS) == sorted(m.name for m in counted)
    assert len(counted) == len({m.name for m in counted}) == len({m.prometheus for m in counted})


def test_every_constant_of_the_module_is_in_its_list() -> None:
    """No metric and no span is defined beside the closed lists."""
    found = vars(names).values()
    assert {m.name for m in found if isinstance(m, Metric)} == {m.name for m in names.METRICS}
    assert {s.operation for s in found if isinstance(s, Span)} == {s.operation for s in names.SPANS}


def test_names_follow_the_conventions_or_are_ours() -> None:
    """A name is OpenTelemetry's (messaging, gen_ai) or lives under stream_guard."""
    attributes = every_attribute()
    for name in [m.name for m in names.METRICS] + [a.name for a in attributes]:
        assert name.startswith(("messaging.", "gen_ai.", "stream_guard.", "error."))


def test_prometheus_names_carry_the_unit_and_total() -> None:
    """Names read as Prometheus' own conventions want them: base unit last, `_total` on counters."""
    assert names.RECORDS.prometheus == "stream_guard_records_total"
    assert names.LAG.prometheus == "stream_guard_lag_seconds"
    assert names.IN_FLIGHT_BYTES.prometheus == "stream_guard_in_flight_bytes"
    assert names.STAGE_DURATION.prometheus == "stream_guard_stage_duration_seconds"


def test_the_tables_tell_every_name() -> None:
    """The rendered list leaves out nothing: metrics in both faces, stages, spans, attributes."""
    text = reference.page()
    for metric in names.METRICS:
        assert f"`{metric.name}`" in text
        assert f"`{metric.prometheus}`" in text
    for span in names.SPANS:
        assert f"`{span.operation} {{{span.target}}}`" in text
    for attribute in every_attribute():
        assert f"`{attribute.name}`" in text
    assert all(f"| `{stage}` |" in text for stage in names.STAGES)


def test_a_value_outside_a_closed_set_reads_other() -> None:
    """A stage or outcome that nobody declared makes no series of its own."""
    assert names.STAGE.clean("engine") == "engine"
    assert names.STAGE.clean("somewhere") == OTHER


def test_no_text_becomes_an_attribute() -> None:
    """What is not a short word (a user's text, say) never shows as a reason."""
    assert names.REASON.clean("not_json") == "not_json"
    assert names.REASON.clean("") == ""
    assert names.REASON.clean("buy my course now") == OTHER
    assert names.REASON.clean("x" * 65) == OTHER


def test_series_are_bounded_whatever_the_values() -> None:
    """Beyond the cap all further values fall into one series; nothing is lost from the sum."""
    counter = Counter(names.RESENDS)
    for number in range(MAX_SERIES + 500):
        counter.add((f"topic-{number}",))
    counter.add(("topic-0",))
    read = counter.read()
    assert len(read) == MAX_SERIES + 1
    assert read[OTHER,] == 500
    assert sum(read.values()) == MAX_SERIES + 501


def test_the_page_in_docs_is_what_the_code_says() -> None:
    """Made anew by `make docs`."""
    page = Path(__file__).parents[3] / "docs" / "telemetry.md"
    assert page.read_text(encoding="utf-8") == f"{reference.page()}\n"
