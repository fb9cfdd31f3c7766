"""What an operator may write of escalation, on both sides, and what of it is refused, each at its place."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from stream_guard.attaching import selection
from stream_guard.carriers import keepers, reread
from stream_guard.config import build_routes, own_topics
from stream_guard.config.checks import contradictions
from stream_guard.config.escalation import EscalateSettings
from stream_guard.errors import ConfigError
from stream_guard.escalation.rooms import escalation_room, escalation_rooms
from stream_guard.events.model import View
from stream_guard.judging.escalation import Triggers
from stream_guard.policy.document import Effort, Policy, QuickLook
from stream_guard.routing import Escalation
from tests.cases import RENDERER
from tests.escalations import make_written_policy
from tests.inspections import make_route, make_settings

UP = {"when": {"always": True}, "topic": "up", "final_by": "5m"}
POLICIES = (make_written_policy("spam"), make_written_policy("insults", effort="high"))


def wrong(*routes: Any, **settings: Any) -> list[tuple[object, str]]:
    """What is wrong with a configuration as a whole."""
    return list(contradictions(make_settings(*routes, **settings)))


def bound(escalate: dict[str, Any], *policies: Policy, **route: Any) -> Escalation | None:
    """The escalation of a route under these policies."""
    named = [policy.id for policy in policies]
    settings = make_settings(make_route(policies=named, escalate=escalate, **route))
    (made,) = build_routes(settings, {policy.id: policy for policy in policies}, RENDERER).all
    return made.escalation


@pytest.mark.parametrize(
    ("escalate", "why"),
    [
        ({"when": {"always": True}}, "needs either effort or topic"),
        ({**UP, "effort": "high"}, "needs either effort or topic"),
        ({"when": {"always": True}, "topic": "up"}, "needs final_by"),
        ({"when": {}, "effort": "high"}, "needs at least one of always"),
        ({"when": {"always": False}, "effort": "high"}, "needs at least one of always"),
        ({"when": {"severity": 0}, "effort": "high"}, "greater than or equal to 1"),
        ({"when": {"probability": 0}, "effort": "high"}, "greater than 0"),
        ({"when": {"confidence": "utter"}, "effort": "high"}, "'low', 'medium' or 'high'"),
        ({"when": {"categories": []}, "effort": "high"}, "at least 1 item"),
        ({"when": {"always": True}, "effort": "low"}, "effort"),
        ({**UP, "final_by": 0}, "greater than 0"),
        ({**UP, "topic": "a topic"}, "should match pattern"),
        ({"effort": "high"}, "Field required"),
    ],
)
def test_what_makes_no_sense_is_refused(escalate: dict[str, Any], why: str) -> None:
    """A way to go and a reason to; to a topic, also an end of the wait."""
    with pytest.raises(ValidationError, match=why):
        EscalateSettings.model_validate(escalate)


def test_triggers_are_bound_as_they_are_written() -> None:
    """A category is that of the policies of the route which have it."""
    when = {
        "confidence": "medium", "probability": 0.9, "severity": 3, "effort": "high",
        "categories": ["SCAM", "spam/FINE"], "policies": ["spam"],
    }  # fmt: skip
    made = bound({**UP, "when": when}, *POLICIES)
    categories = {"spam": frozenset({"SCAM", "FINE"}), "insults": frozenset({"SCAM"})}
    assert made == Escalation(
        Triggers(False, frozenset({"spam"}), "medium", 0.9, categories, 3, Effort.HIGH),
        300.0,
        "up",
        made.higher if made else {},
    )
    assert made.higher == {View.MESSAGE: {}}


def test_a_higher_effort_is_another_prompt_of_the_same_policy() -> None:
    """For policies that ask for less; it is warmed like any, and awaited a minute where nothing is said."""
    made = bound({"when": {"always": True}, "effort": "high"}, *POLICIES)
    assert made is not None
    assert (made.topic, made.final_by_s) == (None, 60.0)
    ((view, higher),) = made.higher.items()
    assert (view, list(higher)) == (View.MESSAGE, ["spam"])
    own, again = RENDERER.template(POLICIES[0], View.MESSAGE), higher["spam"]
    assert (again.policy.version, again.policy.effort) == (own.policy.version, Effort.HIGH)
    assert again.prompt_version != own.prompt_version
    assert made.again(View.MESSAGE, "spam") is again
    assert made.again(View.MESSAGE, POLICIES[1].id) is None


@pytest.mark.parametrize(
    ("escalate", "why"),
    [
        ({**UP, "when": {"policies": ["spam", "treason"]}}, "treason is none of this route's policies"),
        ({**UP, "when": {"categories": ["FINE", "TREASON"]}}, "no policy of this route has a category TREASON"),
        ({**UP, "when": {"categories": ["insults/FINE"]}}, "no policy of this route has a category insults/FINE"),
        ({**UP, "when": {"categories": ["spam/TREASON"]}}, "no policy of this route has a category spam/TREASON"),
    ],
)
def test_a_category_that_is_none_is_an_error(escalate: dict[str, Any], why: str) -> None:
    """It would never trigger anything, and nobody would notice."""
    with pytest.raises(ConfigError, match=why):
        bound(escalate, POLICIES[0])


def test_an_effort_that_lifts_nothing_is_an_error() -> None:
    """Every policy asks for as much by itself."""
    with pytest.raises(ConfigError, match="asks for effort high by itself"):
        bound({"when": {"always": True}, "effort": "high"}, POLICIES[1])


def test_what_is_asked_with_more_effort_is_not_looked_at() -> None:
    """A quick look would settle it as it did before."""
    policy = replace(POLICIES[0], quick_look=QuickLook(0.1))
    made = bound({"effort": "high", "when": {"always": True}}, policy)
    assert made is not None
    (again,) = made.higher.values()
    assert [template.look for template in again.values()] == [None]


def test_escalations_have_a_topic_of_their_own() -> None:
    """Among the outputs of all routes, and it is no input."""
    found = wrong(make_route(escalate={**UP, "topic": "letters"}))
    assert found == [
        (("routes", 0, "escalate", "topic"), "letters holds dead_letters: escalations need a topic of their own")
    ]
    found = wrong(make_route(escalate=UP), make_route("second", topic="up"))
    assert found == [(("routes", 1, "topic"), "up is an output topic (escalations): it can't be an input")]
    assert own_topics(make_settings(make_route(escalate=UP))) == {"verdicts", "rulings", "letters", "up"}


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("in", "is what route chat reads"), ("letters", "holds dead_letters"), ("up", "holds escalations of route chat"),
        ("again", "is redrive.topic"),
    ],
)  # fmt: skip
def test_what_is_escalated_to_here_comes_by_a_topic_of_its_own(topic: str, why: str) -> None:
    """Not the one that this deployment escalates to: it would have the last word on itself."""
    found = wrong(make_route(escalate=UP), redrive={"topic": "again"}, escalation={"topic": topic})
    assert [where for where, _ in found] == [("escalation", "topic")]
    assert why in found[0][1]


def test_a_route_that_reads_nothing_is_for_what_is_escalated() -> None:
    """Else it would be of no use; and it has the last word."""
    quiet = make_route(subscribe=False)
    assert [where for where, _ in wrong(quiet)] == [("routes", 0, "subscribe")]
    assert wrong(quiet, escalation={"topic": "up"}) == []
    found = wrong(make_route(subscribe=False, escalate=UP), escalation={"topic": "down"})
    assert [where for where, _ in found] == [("routes", 0, "escalate")]


def test_topics_of_our_own_are_read_and_never_matched() -> None:
    """Nor is what a silent route names read."""
    silent = make_route("silent", subscribe=False, topic="quiet")
    settings = make_settings(
        make_route(pattern=".*", escalate=UP), silent, escalation={"topic": "down"}, redrive={"topic": "again"}
    )
    chosen = selection(settings)
    topics = ["in", "up", "down", "again", "letters", "verdicts", "rulings"]
    assert chosen.among(topics) == ("again", "down", "in")
    assert chosen.carrying == {"again", "down"}
    assert selection(make_settings(silent, escalation={"topic": "down"})).among(["quiet", "down"]) == ("down",)


def test_what_holds_whole_records_is_large_enough_for_them() -> None:
    """An escalation record holds a record, its policy and its context; a dead letter of one holds all of that."""
    context = {"last": 3, "chars": 1000}
    settings = make_settings(make_route(escalate=UP, context=context), make_route("more", topic="more", escalate=UP), escalation={"topic": "down"}, redrive={"topic": "again"})  # fmt: skip
    routes = build_routes(settings, {"spam": POLICIES[0]}, RENDERER)
    chosen = selection(settings)
    assert keepers(routes, ["in", "more"], chosen) == {
        "letters": {"in", "more", "down"}, "again": {"in", "more", "down"}, "up": {"in", "more"},
    }  # fmt: skip
    assert escalation_rooms(routes) == {"up": escalation_room(1000)}
    assert escalation_room(1000) == 2 * 65_536 + 4_000
    assert [reread(routes, chosen)(topic) for topic in ("in", "down", "again")] == [2_000, 0, 0]


def test_an_unknown_policy_is_a_finding_also_where_all_of_it_is_to_go_on() -> None:
    """What it asks for can't be looked up."""
    settings = make_settings(
        make_route(policies=["spam", "gone"], escalate={"when": {"policies": ["gone"]}, "effort": "high"})
    )
    with pytest.raises(ConfigError, match="there is no policy gone"):
        build_routes(settings, {POLICIES[0].id: POLICIES[0]}, RENDERER)
