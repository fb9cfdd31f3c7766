"""Bugs to plant into what becomes of policies that are asked about together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from stream_guard.delivery.hearing import Hearing
from stream_guard.docket import Docket
from stream_guard.events.model import Event, View
from stream_guard.judging.answers import _of_one
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.combine import Results, conclusive, results_of
from stream_guard.judging.judgement import Abstention, Judgement, Judgements, Said
from stream_guard.policy.document import Decision, Policy
from stream_guard.policy.packed import Packed
from stream_guard.prompting.port import Template
from stream_guard.pronouncing import Pronouncing
from stream_guard.routing import Route


def abstention_of_the_first_alone(patch: pytest.MonkeyPatch) -> None:
    """Where one ask is not answered the first policy abstains, and what the others permit is taken for granted."""

    def lenient(policies: Sequence[Policy], ended: Said | Abstention) -> Results:
        if isinstance(ended, Abstention):
            return (ended, *(Judgement(policy.permitted.id) for policy in policies[1:]))
        return results_of(policies, ended)

    patch.setattr("stream_guard.judging.bench.results_of", lenient)


def one_answer_is_enough(patch: pytest.MonkeyPatch) -> None:
    """Of a reply what is well-formed counts: a policy whose answer is missing or malformed permits the content."""

    def forgiving(pack: Packed, answers: dict[str, Any]) -> Judgements:
        return Judgements(tuple(_read_or_permitted(policy, answers.get(policy.id)) for policy in pack.policies))

    patch.setattr("stream_guard.judging.answers._packed", forgiving)


def _read_or_permitted(policy: Policy, answer: object) -> Judgement:
    try:
        return _of_one(policy, answer)
    except Exception:  # noqa: BLE001  (as careless as such code is)
        return Judgement(policy.permitted.id)


def answers_in_the_order_of_the_reply(patch: pytest.MonkeyPatch) -> None:
    """Whose answer it is follows from where it stands, not from its name: the stricter form gives it away, at times."""

    def in_order(pack: Packed, answers: dict[str, Any]) -> Judgements:
        return Judgements(tuple(map(_of_one, pack.policies, answers.values())))

    patch.setattr("stream_guard.judging.answers._packed", in_order)


def outcomes_in_the_order_of_the_route(patch: pytest.MonkeyPatch) -> None:
    """A judgement under one policy of a pack is taken for that under another."""

    def mistaken(case: Case[Hearing], results: Results) -> list[Outcome[Hearing]]:
        policies = sorted(case.template.policies, key=lambda policy: policy.id)
        return [Outcome(case, policy, result) for policy, result in zip(policies, results, strict=True)]

    patch.setattr("stream_guard.judging.bench.outcomes", mistaken)


def one_conclusive_ends_all(patch: pytest.MonkeyPatch) -> None:
    """A content in segments ends for all policies once no other segment could change what one of them says."""

    def hasty(policies: Sequence[Policy], abstain: Decision, results: Results) -> bool:
        return any(conclusive(policy, abstain, result) for policy, result in zip(policies, results, strict=True))

    patch.setattr("stream_guard.judging.case.conclusive_each", hasty)


def heard_by_case(patch: pytest.MonkeyPatch) -> None:
    """A record counts as heard once there are as many verdicts as cases."""
    counted = property(lambda hearing: len(hearing.entries) == len(hearing.cases) + len(hearing.screened))
    patch.setattr(Hearing, "heard", counted)


def redriven_with_its_pack(patch: pytest.MonkeyPatch) -> None:
    """What is redriven under one policy is asked about under all that are packed with it."""

    def whole(route: Route, view: View, templates: tuple[Template, ...]) -> tuple[Template, ...]:
        ids = {template.policy.id for template in templates}
        asked = [pack for pack in route.packed.get(view, ()) if any(policy.id in ids for policy in pack.policies)]
        taken = {policy.id for pack in asked for policy in pack.policies}
        return (*asked, *(template for template in templates if template.policy.id not in taken))

    patch.setattr(Route, "together", whole)


def goes_on_with_its_pack(patch: pytest.MonkeyPatch) -> None:
    """What is doubted under one policy is asked about again under all that are packed with it, here as elsewhere."""
    escalate, open_cases = Pronouncing._escalate, Docket._open_cases

    def again_as_before(pronouncing: Pronouncing, outcome: Outcome[Hearing], *rest: Any) -> Case[Hearing] | None:
        again = escalate(pronouncing, outcome, *rest)
        if again is not None and isinstance(outcome.case.template.asked, Packed):
            again.template = outcome.case.template
        return again

    def opened_as_any(
        docket: Docket, hearing: Hearing, event: Event, route: Route, view: View, carried: tuple[Template, ...] = ()
    ) -> None:
        packs = route.packed.get(view, ())
        asked = [pack for pack in packs if {t.policy.id for t in carried} & {policy.id for policy in pack.policies}]
        open_cases(docket, hearing, event, route, view, tuple(asked) or carried)

    patch.setattr(Pronouncing, "_escalate", again_as_before)
    patch.setattr(Docket, "_open_cases", opened_as_any)
