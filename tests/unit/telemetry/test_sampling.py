from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from stream_guard.errors import ConfigError
from stream_guard.telemetry import sampling
from stream_guard.telemetry.sampling import Decided, Sampling

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01".encode(), f"00-{TRACE}-{SPAN}-00".encode()

MALFORMED = [
    b"",
    b"00",
    f"00-{TRACE}-{SPAN}".encode(),
    f"00-{TRACE}-{SPAN}-0".encode(),
    f"00-{TRACE}-{SPAN}-01-more".encode(),
    f"ff-{TRACE}-{SPAN}-01".encode(),
    f"00-{'0' * 32}-{SPAN}-01".encode(),
    f"00-{TRACE}-{'0' * 16}-01".encode(),
    f"00-{TRACE.upper()}-{SPAN}-01".encode(),
    f"00-{TRACE}-{SPAN}-01\n".encode(),
    f"cc-{TRACE}-{SPAN}-01-".encode() + b"x" * 1000,
    b"\xff\xfe",
]


@pytest.mark.parametrize("root", [0.0, 1.0])
def test_a_parent_based_rule_follows_the_records_own_flag(root: float) -> None:
    """The producer has decided; the root rule has no say."""
    rule = Sampling(root)
    assert rule.decide((("traceparent", SAMPLED),)) == Decided(int(TRACE, 16), int(SPAN, 16), 1)
    assert rule.decide((("traceparent", UNSAMPLED),)) is None


@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_traceparent_is_as_good_as_none(value: bytes) -> None:
    """The root rule decides, and a sampled record begins a trace of its own."""
    assert Sampling(0.0).decide((("traceparent", value),)) is None
    begun = Sampling(1.0).decide((("traceparent", value),))
    assert begun is not None
    assert begun.parent == 0


def test_a_later_version_with_more_fields_is_read() -> None:
    """W3C: an unknown version is parsed as far as version 00 goes."""
    assert Sampling(0.0).decide((("traceparent", SAMPLED.replace(b"00-", b"cc-", 1) + b"-later"),)) is not None


def test_of_several_headers_the_last_counts() -> None:
    """As with Kafka's own lastHeader."""
    assert Sampling(0.0).decide((("traceparent", SAMPLED), ("traceparent", UNSAMPLED))) is None
    assert Sampling(0.0).decide((("traceparent", None), ("traceparent", SAMPLED))) is not None


@given(st.lists(st.tuples(st.sampled_from(["traceparent", "tracestate", "x"]), st.none() | st.binary())))
def test_no_header_ever_raises(headers: list[tuple[str, bytes | None]]) -> None:
    """Whatever a producer writes, the decision is made."""
    for rule in (Sampling(0.5), Sampling(0.5, parent_based=False)):
        rule.decide(tuple(headers))


@given(st.integers(1, (1 << 128) - 1), st.floats(0, 1))
def test_a_plain_ratio_decides_as_the_sdk_does(trace_id: int, ratio: float) -> None:
    """The same trace id under the same ratio: whoever else looks at it by this rule agrees."""
    header = f"00-{trace_id:032x}-{SPAN}-00".encode()
    ours = Sampling(ratio, parent_based=False).decide((("traceparent", header),)) is not None
    theirs = TraceIdRatioBased(ratio).should_sample(None, trace_id, "any").decision
    assert ours == (theirs is Decision.RECORD_AND_SAMPLE)


def test_a_new_trace_is_sampled_by_the_id_it_gets() -> None:
    """About the ratio of records without a context is traced, and each id would be chosen again by the same rule."""
    rule = Sampling(0.25, bits=random.Random(7).getrandbits)
    begun = [found for _ in range(4000) if (found := rule.decide(()))]
    assert 900 < len(begun) < 1100
    assert all(found.trace_id & ((1 << 64) - 1) < (1 << 62) for found in begun)


@pytest.mark.parametrize(
    ("name", "argument", "root", "parent_based"),
    [
        ("", "", 1.0, True),
        ("always_on", "", 1.0, False),
        ("always_off", "", 0.0, False),
        ("traceidratio", "0.1", 0.1, False),
        ("traceidratio", "", 1.0, False),
        ("parentbased_always_on", "0.5", 1.0, True),
        ("parentbased_always_off", "", 0.0, True),
        ("PARENTBASED_TRACEIDRATIO", "0.05", 0.05, True),
    ],
)
def test_the_environment_chooses_the_rule(
    monkeypatch: pytest.MonkeyPatch, name: str, argument: str, root: float, parent_based: bool
) -> None:
    """The names and defaults of OpenTelemetry's specification."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    rule = sampling.from_environment()
    assert (rule.root, rule.parent_based) == (root, parent_based)


@pytest.mark.parametrize(("name", "argument"), [("sometimes", ""), ("traceidratio", "much"), ("traceidratio", "1.5")])
def test_a_rule_that_there_is_not_is_a_config_error(monkeypatch: pytest.MonkeyPatch, name: str, argument: str) -> None:
    """A typing error must not trace everything, or nothing."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    with pytest.raises(ConfigError, match="OTEL_TRACES_SAMPLER"):
        sampling.from_environment()
