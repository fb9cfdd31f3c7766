"""decide: what the outcome of a case means under its policy and its route, and what all of an event's verdicts come to."""

from __future__ import annotations

from stream_guard.delivery.hearing import Hearing
from stream_guard.engines.port import EngineIdentity
from stream_guard.errors import InvariantViolated
from stream_guard.events.outcome import Rejection
from stream_guard.identity import Subject, content_hash, slot, verdict_id
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.escalation import EscalationReason
from stream_guard.judging.judgement import Abstention, Confidence, Judgement
from stream_guard.policy.document import Category, Decision, Policy
from stream_guard.prompting.port import Template
from stream_guard.routing import Route
from stream_guard.verdicts.coverage import coverage_note
from stream_guard.verdicts.fold import ruling_of
from stream_guard.verdicts.model import (
    AbstentionNote,
    ConfidenceNote,
    Entry,
    Lane,
    ModelRef,
    PolicyRef,
    Position,
    Rank,
    Ruling,
    Stage,
    Timings,
    Tokens,
    Verdict,
)

INTAKE = Stage("intake", "1")
"""Gave a verdict without asking anyone."""
MODEL = Stage("model", "1")
"""Gave a verdict after asking the engine."""
ESCALATION = Stage("escalation", "1")
"""Gave a verdict that follows from a provisional one."""
_AWAITS_EFFORT, _AWAITS_ANOTHER = "higher_effort", "escalation"


class Decider:
    """Turns outcomes into verdicts and rulings. Pure; `now` is the loop's time in seconds, `now_ms` Unix time."""

    def __init__(self, *, namespace: str, lane: Lane, engine: EngineIdentity, content_hash_key: bytes | None) -> None:
        self.namespace = namespace
        self.lane = lane
        self._model = ModelRef(engine.model, engine.manifest, engine.name, engine.version)
        self._content_hash_key = content_hash_key

    def verdict(self, outcome: Outcome[Hearing], now: float, now_ms: int, *, provisional: bool = False) -> Verdict:
        """The verdict of a case under one of its policies. No failure ever allows: an abstention takes the route's decision.

        A `provisional` one (see `escalates`) awaits another, which then follows from it.
        """
        case, policy, result = outcome.case, outcome.policy, outcome.result
        hearing = case.owner
        subject, route = _subject(hearing), _route(hearing)
        follows = hearing.follows.get(policy.id)
        sequence = 0 if follows is None else follows.sequence + 1
        awaited = route.escalation if provisional else None
        judgement = result if isinstance(result, Judgement) else None
        stage = INTAKE if not case.attempts else MODEL if follows is None else ESCALATION
        rank = Rank.ABSTENTION if judgement is None else Rank.PROVISIONAL if provisional else Rank.FINAL
        place = slot(self.namespace, self.lane, subject, policy.id)
        return Verdict(
            id=verdict_id(place, policy.version, case.template.prompt_version, rank, stage.name, 0, sequence),
            slot=place,
            subject=subject,
            namespace=self.namespace,
            lane=self.lane,
            kind=hearing.kind or "",
            view=case.template.view,
            event_id=hearing.event_id,
            route=route.name,
            sources=_sources(hearing),
            policy=PolicyRef(policy.id, policy.version, policy.revision),
            prompt_version=case.template.prompt_version,
            rank=rank,
            stage=stage,
            through=0,
            sequence=sequence,
            decision=_decision(result, policy, route),
            category=judgement.category if judgement else None,
            severity=_category(judgement, policy).severity if judgement else None,
            rule_ids=judgement.rule_ids if judgement else (),
            confidence=_confidence(judgement.confidence) if judgement and judgement.confidence else None,
            abstention=AbstentionNote(result.reason, result.detail) if isinstance(result, Abstention) else None,
            awaits=None if awaited is None else _AWAITS_ANOTHER if awaited.topic else _AWAITS_EFFORT,
            final_by_ms=None if awaited is None else now_ms + round(awaited.final_by_s * 1000),
            derived_from=() if follows is None else (follows.verdict_id,),
            signals=(*case.judged.signals, *(judgement.signals if judgement else ())),
            coverage=coverage_note(case.judged.coverage),
            content_hash=self._content_hash(case),
            model=self._model if case.attempts else None,
            attempt=case.attempts,
            tokens=Tokens(*outcome.shares(case.prompt_tokens, case.cached_tokens, case.completion_tokens)),
            timings=_timings(case, now, now_ms),
        )

    def ruling(self, hearing: Hearing, now_ms: int) -> Ruling:
        """What the event's verdicts come to, and why there are none where the record could not be judged."""
        return ruling_of(
            [*hearing.carried, *hearing.entries],
            subject=_subject(hearing),
            namespace=self.namespace,
            lane=self.lane,
            kind=hearing.kind,
            event_id=hearing.event_id,
            route=_route(hearing).name,
            sources=_sources(hearing),
            ruled_at_ms=now_ms,
            reason=hearing.outcome.reason if isinstance(hearing.outcome, Rejection) else None,
        )

    def not_judged(self, hearing: Hearing) -> list[Entry]:
        """The entries of a record that could not become cases: the route's abstention for each of its policies.

        Those that have one already keep it, where a case was redriven. Of one that was escalated nothing but that is said: under
        which policies it is judged was not for this deployment to say, and what stands for now stands.
        """
        subject, route = _subject(hearing), _route(hearing)
        if hearing.record.origin is not None and hearing.record.origin.escalated is not None:
            return []
        known = {entry.policy_id for entry in hearing.carried}
        return [self._abstained(subject, route, each) for each in route.policies if each.policy.id not in known]

    def _abstained(self, subject: Subject, route: Route, template: Template) -> Entry:
        policy, rank = template.policy, Rank.ABSTENTION
        place = slot(self.namespace, self.lane, subject, policy.id)
        return Entry(
            slot=place,
            policy_id=policy.id,
            policy_version=policy.version,
            revision=policy.revision,
            verdict_id=verdict_id(place, policy.version, template.prompt_version, rank, INTAKE.name, 0, 0),
            decision=route.abstain,
            rank=rank,
            through=0,
            sequence=0,
            severity=None,
        )

    def _content_hash(self, case: Case[Hearing]) -> str | None:
        if self._content_hash_key is None:
            return None
        return content_hash(self._content_hash_key, case.judged.text)


def escalates(outcome: Outcome[Hearing]) -> EscalationReason | None:
    """Why a case goes on after this outcome, None where it ends here.

    An abstention does not: it is no weak judgement but none, for reasons that mostly lie in a deployment as a whole (which would
    then send on all that it gets), and the dead letters have it. What follows a provisional verdict is the last word.
    """
    case, policy, result = outcome.case, outcome.policy, outcome.result
    escalation = _route(case.owner).escalation
    if escalation is None or isinstance(result, Abstention) or policy.id in case.owner.follows:
        return None
    if escalation.topic is None and escalation.again(case.template.view, policy.id) is None:
        return None
    return escalation.when.reason(policy, result)


def _decision(result: Judgement | Abstention, policy: Policy, route: Route) -> Decision:
    if isinstance(result, Abstention):
        return route.abstain
    return _category(result, policy).decision


def _category(judgement: Judgement, policy: Policy) -> Category:
    category = policy.category(judgement.category)
    if category is None:
        raise InvariantViolated(f"a judgement under {policy.id} names a category that the policy lacks")
    return category


def _confidence(confidence: Confidence) -> ConfidenceNote:
    return ConfidenceNote(confidence.basis, confidence.value, confidence.level)


def _timings(case: Case[Hearing], now: float, now_ms: int) -> Timings:
    waited_s = now - case.opened_at
    return Timings(
        received_at_ms=case.owner.opened_at_ms,
        judged_at_ms=now_ms,
        queue_ms=round(max(waited_s - case.engine_s, 0.0) * 1000, 3),
        engine_ms=round(case.engine_s * 1000, 3),
    )


def _subject(hearing: Hearing) -> Subject:
    if hearing.subject is None:
        raise InvariantViolated(f"{hearing!r} has no subject")
    return hearing.subject


def _route(hearing: Hearing) -> Route:
    if hearing.route is None:
        raise InvariantViolated(f"{hearing!r} has no route")
    return hearing.route


def _sources(hearing: Hearing) -> tuple[Position, ...]:
    return () if hearing.position is None else (hearing.position,)
