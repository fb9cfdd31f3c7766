"""What tests of escalation share: a policy with its document, both deployments' routes, and the way from one to the other."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ports import Output
from stream_guard.docket import Docket
from stream_guard.escalation.policies import CarriedPolicies
from stream_guard.escalation.record import restored
from stream_guard.events.model import View
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.escalation import Triggers
from stream_guard.judging.judgement import Abstention, Judgement
from stream_guard.policy.document import Effort, Policy
from stream_guard.policy.load import parse_policy
from stream_guard.records import Lease, Record
from stream_guard.routing import Escalation, Route, Routes
from stream_guard.verdicts.fold import entry_of
from stream_guard.verdicts.model import Ruling, Verdict
from tests.cases import NOW_MS, RENDERER, make_decider, make_publisher, make_route

DOCUMENT = """\
---
id: {policy}
revision: {revision}
owner: tests
title: Adverts
output: rationale
effort: {effort}
categories:
  - {{id: FINE, title: not an advert, severity: 0, decision: allow}}
  - {{id: ADVERT, title: an unwanted advert, severity: 2, decision: flag}}
  - {{id: SCAM, title: a swindle, severity: 4, decision: block}}
yes_means: ADVERT
examples:
  - {{content: "See you at seven, bring the map.", expect: FINE, shown: true}}
  - {{content: "WIN a free cruise! Call 80082 now!", expect: ADVERT, shown: true}}
---
## Instruction
Decide whether the text is an unwanted advert.
## Definitions
An advert praises goods, prizes or services to strangers.
## Criteria
{criteria}
"""
UP = Lease("up", 0, 3, "id of the escalation topic")
FINE, ADVERT, SCAM = Judgement("FINE"), Judgement("ADVERT"), Judgement("SCAM")
LATER_MS = NOW_MS + 500


def make_document(
    policy: str = "adverts", revision: int = 1, effort: str = "low", criteria: str = "Offers are adverts. Talk is not."
) -> str:
    """The text of a policy."""
    return DOCUMENT.format(policy=policy, revision=revision, effort=effort, criteria=criteria)


def make_written_policy(policy: str = "adverts", **changes: Any) -> Policy:
    """The policy of such a text."""
    return parse_policy(make_document(policy, **changes), "policy.md")


def make_escalation(topic: str | None = "up", *policies: Policy, **when: Any) -> Escalation:
    """To a topic, or without one to this engine at a high effort; `when` are triggers, all judgements without any."""
    higher = {
        view: {p.id: RENDERER.template(replace(p, effort=Effort.HIGH), view) for p in policies}
        for view in (View.MESSAGE, View.LAST_TURN, View.COMPLETION, View.MESSAGE_IN_CONTEXT)
    }
    return Escalation(Triggers(**(when or {"always": True})), 60.0, topic, higher if topic is None else {})


def make_written_route(*policies: Policy, views: tuple[View, ...] = (View.MESSAGE,), **settings: Any) -> Route:
    """A route under policies that have a document."""
    policies = policies or (make_written_policy(),)
    templates = {view: tuple(RENDERER.template(policy, view) for policy in policies) for view in views}
    return make_route(templates=templates, **settings)


class Said:
    """What was published of one hearing."""

    def __init__(self, hearing: Hearing) -> None:
        self.hearing = hearing
        self.verdicts: list[Verdict] = []
        self.outputs: list[Output] = []

    def say(self, case: Case[Hearing], result: Judgement | Abstention, *, provisional: bool = False) -> Verdict:
        """A case ends."""
        case.attempts = 1
        outcome, hearing = Outcome(case, case.template.policy, result), self.hearing
        verdict = make_decider().verdict(outcome, 11.0, NOW_MS, provisional=provisional)
        hearing.entries.append(entry_of(verdict))
        if provisional:
            hearing.escalated.append((verdict, case.template.policy))
        self.verdicts.append(verdict)
        self.outputs += make_publisher().verdict(hearing, verdict, outcome)
        return verdict

    def ruling(self) -> Ruling:
        """What it comes to."""
        return make_decider().ruling(self.hearing, LATER_MS)

    def of(self, topic: str) -> list[Output]:
        """What went to a topic."""
        return [output for output in self.outputs if output.topic == topic]


def brought(output: Output, offset: int = 5) -> Record:
    """An escalation record as the other deployment gets it."""
    return restored(as_brought(output, offset))


def as_brought(output: Output, offset: int = 5) -> Record:
    """The same as it lies in the topic."""
    return Record(UP, offset, output.value, output.key, output.headers, LATER_MS)


def heard_elsewhere(record: Record, *routes: Route, known: tuple[Policy, ...] = ()) -> Hearing:
    """The hearing of an escalated record in the other deployment."""
    policies = CarriedPolicies(RENDERER, known, namespace="default", lane="live")
    docket = Docket(Routes(routes or (make_route(),)), cluster="another cluster", policies=policies)
    (hearing,) = docket.open([record], [None], 20.0, LATER_MS)
    return hearing
