"""What services told becomes a view: the figures that a person reads."""

from __future__ import annotations

from math import inf, nan

import msgspec
import pytest

from stream_guard.telemetry import names
from stream_guard.telemetry.exposition import Page, read_page
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.scraping import Answer, Silence
from stream_guard.watching import looking
from stream_guard.watching.history import History
from stream_guard.watching.view import Halt, Partition, State, Tally, View, together
from tests.watched import BEGAN, URL, make_answer, make_busy, make_history, make_page, make_view


def busy(seconds: float = 10.0, records: int = 20) -> History:
    """A service that was looked at twice, and judged so many records meanwhile."""
    told = make_busy()
    before = make_answer(make_page(told), 0.0)
    return make_history(before, make_answer(make_page(make_busy(records, told)), seconds))


def whats(view: View) -> list[str]:
    """What is wrong."""
    return [trouble.what for trouble in view.troubles]


def test_rates_are_per_second_over_the_window_and_totals_since_the_start() -> None:
    """By outcome, by decision, by policy, by reason."""
    view = make_view(busy())
    assert view.measured_s == 10.0
    assert view.records.by_outcome == {
        "judged": Tally(2.0, 30), "dead_lettered": Tally(0.2, 4), "ignored": Tally(0.1, 2),
    }  # fmt: skip
    assert view.records.step_per_s == pytest.approx(2.3)
    assert view.rulings == {"review": Tally(0.4, 6), "allow": Tally(1.6, 24)}
    adverts, insults = view.policies
    assert (adverts.policy, adverts.decisions) == ("adverts", {"flag": Tally(0.4, 6), "allow": Tally(1.6, 24)})
    assert (adverts.abstained, insults.abstained) == ({}, {"unparseable": Tally(0.4, 6)})
    assert (adverts.input_tokens, adverts.output_tokens) == (Tally(200, 3000), Tally(6, 90))
    assert (adverts.cached_tokens.per_s, insults.cached_tokens.per_s) == (160, 80)
    assert insults.retries == {"unparseable": Tally(0.1, 2)}
    assert [(each.reason, each.scope, each.letters) for each in view.dead_letters.reasons] == [
        ("not_json", "record", Tally(0.2, 4)), ("unparseable", "case", Tally(0.1, 2)),
    ]  # fmt: skip
    assert view.dead_letters.all.total == 6


def test_the_first_look_has_totals_and_gauges_but_no_rates() -> None:
    """Nobody knows yet how fast anything goes."""
    view = make_view(make_history(make_answer(make_page(make_busy()), 0.0)))
    assert (view.measured_s, view.latency, view.records.step_per_s) == (None, (), None)
    assert view.records.by_outcome["judged"] == Tally(None, 10)
    assert (view.in_flight.records, view.in_flight.asks, view.lag.seconds) == (7, 14, 4.25)


def test_replicas_are_summed_and_their_histograms_merged() -> None:
    """Rates of different windows add up; a percentile is of all observations together."""
    slow = OtelTelemetry()
    slow.latency("engine", 0.3)
    before = make_answer(make_page(slow, BEGAN + 1), 0.0)
    for _ in range(60):
        slow.latency("engine", 4.0)
    make_busy(5, slow)
    view = make_view(busy(), make_history(before, make_answer(make_page(slow, BEGAN + 1), 5.0)))
    assert view.records.by_outcome["judged"].per_s == 2.0 + 1.0
    assert view.in_flight.records == 14
    (engine,) = (each for each in view.latency if each.stage == "engine")
    assert 0.25 < (make_view(busy()).latency[0].p50) < 0.5
    assert 2.5 < engine.p50 < 5.0
    assert view.engines.up == view.engines.of == 2


def test_percentiles_are_of_the_window_alone() -> None:
    """What took long before it is forgotten."""
    told = OtelTelemetry()
    for _ in range(1000):
        told.latency("total", 50.0)
    before = make_answer(make_page(told), 0.0)
    told.latency("total", 0.02)
    (total,) = make_view(make_history(before, make_answer(make_page(told), 2.0))).latency
    assert total.p99 < 0.03


def test_a_service_that_is_silent_is_shown_as_such_and_counts_for_nothing() -> None:
    """The others' figures are theirs alone."""
    silent = busy()
    silent.told(Silence(90.0, "can't be reached: connection refused"))
    view = make_view(busy(), silent)
    assert [service.state for service in view.services] == [State.READY, State.SILENT]
    assert (view.services[1].silent_s, view.services[1].lag_s) == (10.0, None)
    assert view.records.by_outcome["judged"].per_s == 2.0
    assert whats(view) == ["127.0.0.1:9465 can't be reached: connection refused"]
    assert view.troubles[0].grave


def test_partitions_are_ordered_by_how_far_they_are_behind() -> None:
    """One that two services tell of counts once; a backlog alone makes a partition known."""
    one, other = OtelTelemetry(), OtelTelemetry()
    one.lag("in", 2, 1.0)
    one.lag("in", 10, 5.0)
    other.lag("in", 2, 3.0)
    backlog = f'{looking.BACKLOG}{{topic="in",partition="2"}} 40\n{looking.BACKLOG}{{topic="in",partition="7"}} 2\n'
    view = make_view(
        make_history(make_answer(make_page(one, more=backlog))), make_history(make_answer(make_page(other, BEGAN + 1)))
    )
    assert view.lag.partitions == (
        Partition("in", "10", 5.0, None), Partition("in", "2", 3.0, 40.0), Partition("in", "7", 0.0, 2.0),
    )  # fmt: skip
    assert (view.lag.seconds, view.lag.backlog) == (5.0, 42.0)


def test_a_partition_that_leaves_is_gone_and_a_new_one_is_there() -> None:
    """A rebalance shows at the next look."""
    told = OtelTelemetry()
    told.lag("in", 0, 1.0)
    history = make_history(make_answer(make_page(told), 0.0))
    told.unassigned("in", 0)
    told.lag("in", 1, 2.0)
    history.told(make_answer(make_page(told), 2.0))
    assert [at.partition for at in make_view(history).lag.partitions] == ["1"]


def test_what_stands_still_is_told_before_any_figure() -> None:
    """Halts by partition, the engine, the registry, a refused edition, suspects; the grave first."""
    told = make_busy()
    told.halted("chat.in", 10, "dead_letters_in_a_row", "a detail that is only logged")
    told.halted("chat.in", 9, "dead_letter_not_written")
    told.engine_up(False, "gone")
    told.engine_restart("died", "", 3)
    told.registry_up(False, "away")
    told.edition_refused(["spam.md: has no title"])
    told.suspects(2)
    reason = "the engine is unavailable: gone"
    view = make_view(
        make_history(make_answer(make_page(told), reason=reason, note="halted: chat.in[9] (x); something else"))
    )
    assert view.halted == (
        Halt("chat.in", "9", "dead_letter_not_written"), Halt("chat.in", "10", "dead_letters_in_a_row"),
    )  # fmt: skip
    assert whats(view) == [
        "not ready: the engine is unavailable: gone",
        "chat.in[9] is halted: dead letter not written",
        "chat.in[10] is halted: dead letters in a row",
        "records wait for the schema registry",
        "something else",
        "the files hold an edition that is refused: the one before stays in force",
        "2 records are taken one at a time: they were in flight when processes ended",
    ]
    assert (view.engines.up, view.engines.of, together(view.engines.restarts).total) == (0, 1, 1)


def test_services_that_judge_by_different_rules_are_told_of() -> None:
    """Different editions in force, and different versions of one policy."""
    one, other = make_busy(), make_busy()
    other.edition_in_force("0000c1d2e0b1a6d4", "3fa9c1d2e0b1a6d4")
    infos = [f'{looking.POLICY_INFO}{{policy="adverts",revision="1",version="{version}"}} 1\n' for version in "ab"]
    view = make_view(
        make_history(make_answer(make_page(one, more=infos[0]))),
        make_history(make_answer(make_page(other, BEGAN + 1, more=infos[1]))),
    )
    assert whats(view) == [
        "services have different editions in force: 0000c1d2e0b1, 3fa9c1d2e0b1",
        "policy adverts is in force in 2 versions",
    ]
    assert view.running.editions == ("0000c1d2e0b1a6d4", "3fa9c1d2e0b1a6d4")


def test_a_newer_service_tells_what_runs_there_and_how_old_letters_are() -> None:
    """A policy in force is listed before it was asked about."""
    more = f"""\
{looking.INFO}{{engine="vllm",model="gpt-oss",version="0.2.0"}} 1
{looking.OLDEST_LETTER}{{topic="a"}} 30
{looking.OLDEST_LETTER}{{topic="b"}} 7200
{looking.POLICY_INFO}{{policy="unasked",revision="1",version="v"}} 1
"""
    view = make_view(make_history(make_answer(make_page(OtelTelemetry(), more=more))))
    assert (view.running.models, view.running.engines, view.running.versions) == (("gpt-oss",), ("vllm",), ("0.2.0",))
    assert view.dead_letters.oldest_s == 7200.0
    assert [(policy.policy, policy.versions) for policy in view.policies] == [("unasked", ("v",))]


def test_an_older_service_tells_less_and_is_seen_all_the_same() -> None:
    """A page with one metric of ours, and no word on whether it is ready."""
    page = read_page('stream_guard_rulings_total{decision="allow"} 3\n')
    assert page is not None
    view = make_view(make_history(Answer(0.0, page, None)))
    assert view.services[0].state is State.UNKNOWN
    assert (view.lag.seconds, view.lag.backlog, view.dead_letters.oldest_s, view.engines.of) == (None, None, None, 0)
    assert view.rulings == {"allow": Tally(None, 3)}
    assert (view.policies, view.troubles) == ((), ())


def test_what_is_no_number_was_not_measured() -> None:
    """NaN and infinities are left out where they come in, so that no sum is spoilt."""
    text = f"""\
stream_guard_lag_seconds{{topic="in",partition="0"}} {nan}
stream_guard_lag_seconds{{topic="in",partition="1"}} {inf}
stream_guard_lag_seconds{{topic="in",partition="2"}} 3
stream_guard_in_flight_records NaN
"""
    page = read_page(text)
    assert page is not None
    view = make_view(make_history(make_answer(page)))
    assert (view.lag.seconds, [at.partition for at in view.lag.partitions], view.in_flight.records) == (3, ["2"], 0)


def test_looks_and_escalations_are_told_where_there_are_any() -> None:
    """By what came of them, and why."""
    told = make_busy()
    for came_of in ("settled", "settled", "uncertain"):
        told.look("adverts", came_of)
    told.escalated("insults", "low_confidence")
    adverts, insults = make_view(make_history(make_answer(make_page(told)))).policies
    assert {name: tally.total for name, tally in adverts.looks.items()} == {"settled": 2, "uncertain": 1}
    assert [*insults.escalated] == ["low_confidence"]


def test_how_long_a_process_runs_is_never_negative() -> None:
    """Its clock may be ahead of ours."""
    ahead = make_history(make_answer(make_page(OtelTelemetry(), BEGAN + 1e6)))
    assert make_view(ahead).services[0].up_s == 0.0
    assert make_view(busy()).services[0].up_s == 3600.0


def test_a_view_is_json_of_plain_names() -> None:
    """What scripts read: infinities and what is unknown are null."""
    told = OtelTelemetry()
    before = make_answer(make_page(told), 0.0)
    told.latency("total", 1e6)
    told.ruling("chat", "allow")
    view = msgspec.json.decode(msgspec.json.encode(make_view(make_history(before, make_answer(make_page(told), 2.0)))))
    assert view["services"][0] | {"url": URL, "state": "ready"} == view["services"][0]
    assert view["latency"] == [{"stage": "total", "p50": None, "p95": None, "p99": None}]
    assert view["rulings"] == {"allow": {"per_s": 0.5, "total": 1.0}}
    assert view["at"].endswith("Z")


def test_what_is_looked_for_is_in_the_closed_list_of_names() -> None:
    """A metric that is renamed would vanish from the view without a word."""
    asked: set[str] = set()

    class Asked(dict[str, dict[tuple[tuple[str, str], ...], float]]):
        """Remembers what it is asked for."""

        def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
            asked.add(name)
            return super().get(name, default)

    page = make_page(make_busy())
    spying = Page(Asked({name: dict(series) for name, series in page.series.items()}))
    make_view(make_history(make_answer(spying, 0.0), make_answer(spying, 2.0)))
    others = {"process_start_time_seconds"}
    known = {metric.prometheus for metric in names.METRICS}
    assert {name.removesuffix("_bucket") for name in asked - others} <= known
    assert len(asked) > 20
