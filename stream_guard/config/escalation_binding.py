"""From the settings of an escalation to what the pipeline runs: its categories and efforts are those of the route's policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stream_guard.config.escalation import AWAITED_S, EscalateSettings
from stream_guard.config.route import RouteSettings
from stream_guard.config.settings import Settings
from stream_guard.events.model import View
from stream_guard.judging.escalation import Triggers, thought
from stream_guard.marked_yaml import Finding
from stream_guard.policy.document import Effort, Policy, PolicyId
from stream_guard.prompting.port import Template
from stream_guard.routing import Escalation


def wrong_escalations(settings: Settings, policies: Mapping[str, Policy]) -> list[Finding]:
    """Escalations that no judgement could ever take, because of what the policies are."""
    findings: list[Finding] = []
    for index, route in enumerate(settings.routes):
        named = [policies[policy] for policy in route.policies if policy in policies]
        if route.escalate is None or not named:
            continue
        for number, policy in enumerate(route.escalate.when.policies or ()):
            if policy not in route.policies:
                place = settings.place("routes", index, "escalate", "when", "policies", number)
                findings.append((place, f"{policy} is none of this route's policies"))
            elif (
                route.escalate.effort is not None
                and policy in policies
                and not _lifts(route.escalate.effort, policies[policy])
            ):
                place = settings.place("routes", index, "escalate", "when", "policies", number)
                findings.append((place, f"{policy} asks for effort {policies[policy].effort} by itself"))
        for number, category in enumerate(route.escalate.when.categories or ()):
            if not any(_meant(category, policy) for policy in named):
                place = settings.place("routes", index, "escalate", "when", "categories", number)
                findings.append((place, f"no policy of this route has a category {category}"))
        if route.escalate.when.probability is not None and all(_in_a_group(route, policy.id) for policy in named):
            what = "of policies that are packed no label's probability is read"
            findings.append((settings.place("routes", index, "escalate", "when", "probability"), what))
        if route.escalate.effort is not None and not any(_lifts(route.escalate.effort, policy) for policy in named):
            what = f"every policy of this route asks for effort {route.escalate.effort} by itself, or for more"
            findings.append((settings.place("routes", index, "escalate", "effort"), what))
    return findings


def _in_a_group(route: RouteSettings, policy: PolicyId) -> bool:
    return any(policy in group for group in route.packed)


def _lifts(effort: Effort, policy: Policy) -> bool:
    return thought(effort) > thought(policy.effort)


def _meant(category: str, policy: Policy) -> str | None:
    """The category of a policy that is meant by `SP3`, or by `spam/SP3`; None where it has none."""
    of, _, named = category.rpartition("/")
    return named if of in ("", policy.id) and policy.category(named) is not None else None


def build_escalation(
    route: RouteSettings,
    chosen: EscalateSettings,
    policies: Mapping[PolicyId, Policy],
    template: Callable[[str, View, Effort | None], Template],
) -> Escalation:
    """A route's escalation. `template` encodes a policy for a view and an effort."""
    when, effort = chosen.when, chosen.effort
    named = [policies[policy] for policy in route.policies]
    lifted = [policy.id for policy in named if effort is not None and _lifts(effort, policy)]
    meant = {
        policy.id: frozenset(found for category in when.categories or () if (found := _meant(category, policy)))
        for policy in named
    }
    triggers = Triggers(
        always=when.always,
        policies=frozenset(when.policies or ()),
        confidence=when.confidence,
        probability=when.probability,
        categories={policy: categories for policy, categories in meant.items() if categories},
        severity=when.severity,
        effort=when.effort,
    )
    return Escalation(
        when=triggers,
        final_by_s=chosen.final_by or AWAITED_S,
        topic=chosen.topic,
        higher={view: {policy: template(policy, view, effort) for policy in lifted} for view in route.views},
    )
