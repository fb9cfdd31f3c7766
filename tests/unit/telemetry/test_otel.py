from __future__ import annotations

from structlog.testing import capture_logs

from stream_guard.records import Lease, Record
from stream_guard.telemetry.otel import OtelTelemetry


def test_what_is_rare_is_logged_at_the_level_it_deserves() -> None:
    """An operator reads of outages, partitions that move, and partitions that stand still."""
    telemetry = OtelTelemetry()
    with capture_logs() as lines:
        telemetry.engine_up(up=False, reason="no answer for 30 s")
        telemetry.engine_up(up=True)
        telemetry.engine_restart("died", "the engine died: its core was killed by SIGKILL", 3)
        telemetry.assignment("assigned", 4)
        telemetry.assignment("lost", 4, drained=False)
        telemetry.unhalted("mail", 3, "dead_letter_not_written")
        telemetry.edition_in_force("0f3a")
        telemetry.edition_in_force("77c1", "0f3a")
        telemetry.edition_refused(["spam.md:3:1: id is required", "guard.yaml: is not UTF-8"])
        telemetry.edition_restored("77c1")
        telemetry.halted("mail", 3, "out_of_range", "set the group's offset")
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "engine.unavailable"),
        ("info", "engine.available"),
        ("error", "engine.restarting"),
        ("info", "partitions.assigned"),
        ("warning", "partitions.lost"),
        ("info", "partition.goes_on"),
        ("info", "edition.in_force"),
        ("info", "edition.loaded"),
        ("error", "edition.refused"),
        ("info", "edition.restored"),
        ("error", "partition.halted"),
    ]
    assert lines[0]["reason"] == "no answer for 30 s"
    assert (lines[2]["cause"], lines[2]["open_asks"]) == ("died", 3)
    assert (lines[7]["edition"], lines[7]["former"]) == ("77c1", "0f3a")
    assert lines[8]["findings"] == ["spam.md:3:1: id is required", "guard.yaml: is not UTF-8"]
    assert (lines[-1]["topic"], lines[-1]["detail"]) == ("mail", "set the group's offset")


def test_what_is_frequent_is_not_logged() -> None:
    """Nothing is written for each record."""
    telemetry = OtelTelemetry()
    with capture_logs() as lines:
        telemetry.polled([Record(Lease("mail", 0, 1), 0, None)], 0.1)
        telemetry.outcome("mail", "judged", "")
        telemetry.verdict("mail", "spam", "allow", "")
        telemetry.latency("total", 1.0)
    assert not lines


def test_partitions_held_follow_what_comes_and_goes() -> None:
    """The gauge is the sum of the assignments, and never negative."""
    telemetry = OtelTelemetry()
    for event, partitions in (("assigned", 4), ("assigned", 2), ("revoked", 3), ("lost", 9)):
        telemetry.assignment(event, partitions)
    assert telemetry.metrics.partitions.read() == {(): 0}
    telemetry.assignment("assigned", 2)
    assert telemetry.metrics.partitions.read() == {(): 2}


def test_the_engine_counts_as_up_once_it_serves() -> None:
    """Not while it loads: a first load that never ends is to be seen, so an alert on `engine_up == 0` must find a series."""
    telemetry = OtelTelemetry()
    assert telemetry.metrics.engine_up.read() == {(): 0}
    telemetry.service("0.1.0", "m", "vllm")
    assert telemetry.metrics.engine_up.read() == {(): 1}
    telemetry.engine_up(up=False, reason="gone")
    assert telemetry.metrics.engine_up.read() == {(): 0}
    assert telemetry.metrics.engine_transitions.read() == {("down",): 1}


def test_only_the_edition_in_force_has_a_series() -> None:
    """A fleet is compared by it; editions that come and go leave nothing behind, and a refused one is marked while it stands there."""
    telemetry = OtelTelemetry()
    metrics = telemetry.metrics
    telemetry.edition_in_force("0f3a")
    assert (metrics.edition.read(), metrics.edition_refused.read(), metrics.reloads.read()) == (
        {("0f3a",): 1}, {(): 0}, {},
    )  # fmt: skip
    telemetry.edition_refused(["spam.md: is not UTF-8"])
    assert (metrics.edition.read(), metrics.edition_refused.read()) == ({("0f3a",): 1}, {(): 1})
    telemetry.edition_in_force("77c1", "0f3a")
    assert (metrics.edition.read(), metrics.edition_refused.read()) == ({("77c1",): 1}, {(): 0})
    telemetry.edition_refused(["spam.md: is not UTF-8"])
    telemetry.edition_restored("77c1")
    assert metrics.edition_refused.read() == {(): 0}
    assert metrics.reloads.read() == {("loaded",): 1, ("refused",): 2}


def test_only_the_policies_in_force_have_a_series() -> None:
    """A policy that changed is told under its new version alone, one that is gone no more; at no time is there none."""
    telemetry = OtelTelemetry()
    telemetry.policies_in_force([("spam", "v1", 1), ("hate", "w1", 4)])
    telemetry.policies_in_force([("spam", "v2", 2)])
    assert telemetry.metrics.policies.read() == {("spam", "v2", "2"): 1}


def test_the_age_of_dead_letters_is_told_of_what_is_known_alone() -> None:
    """A topic that can't be asked has no series: a stale one would say that its letters are as young as they were."""
    telemetry = OtelTelemetry()
    telemetry.dead_letters_oldest({"a": 60.0, "b": 0.0})
    telemetry.dead_letters_oldest({"b": 5.0})
    assert telemetry.metrics.dead_letters_oldest.read() == {("b",): 5.0}
    telemetry.dead_letters_oldest({})
    assert telemetry.metrics.dead_letters_oldest.read() == {}
