"""publish: which records go out for verdicts, rulings and dead letters, and to which topics."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.ports import Output
from stream_guard.errors import InvariantViolated
from stream_guard.escalation.record import escalated, kept
from stream_guard.events.outcome import Rejection, RejectionReason
from stream_guard.identity import dead_letter_id
from stream_guard.judging.case import Outcome
from stream_guard.judging.judgement import MENDABLE, Judgement
from stream_guard.policy.document import Decision, PolicyId
from stream_guard.routing import Outputs, Publish, Route
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.dead_letter import encode as encode_dead_letter
from stream_guard.verdicts.encoding import Encoded, encode_rationale, encode_ruling, encode_verdict
from stream_guard.verdicts.model import Lane, PolicyRef, Rationale, Ruling, Verdict


class Provenance(Struct, frozen=True):
    """What every dead letter says of the service that wrote it."""

    namespace: str
    lane: Lane
    cluster: str
    group: str
    app_version: str
    model: str


class Publisher:
    """Makes outputs. Pure: nothing is sent here."""

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance

    def verdict(self, hearing: Hearing, verdict: Verdict, outcome: Outcome[Hearing]) -> list[Output]:
        """The verdict where the route publishes it, and its rationale. With the last one, what holds all of them: see `_whole`."""
        route, result = _route(hearing), outcome.result
        outputs = []
        if publishes(route, verdict):
            encoded = encode_verdict(verdict, hearing.record.key, hearing.trace_headers)
            outputs.append(_output(route.outputs.verdicts, encoded, Receipt(hearing)))
        if isinstance(result, Judgement):
            outputs.extend(self._rationale(hearing, route.outputs, verdict, result))
        elif result.reason in MENDABLE:
            hearing.mendable.append((verdict, result))
        if hearing.heard:
            outputs.extend(self._whole(hearing, route))
        return outputs

    def ruling(self, hearing: Hearing, ruling: Ruling) -> Output:
        """The ruling, always."""
        encoded = encode_ruling(ruling, hearing.record.key, hearing.trace_headers)
        return _output(_route(hearing).outputs.rulings, encoded, Receipt(hearing))

    def rejected(self, hearing: Hearing, rejection: Rejection, now_ms: int) -> list[Output]:
        """The dead letter of a record that could not become cases."""
        letter = self._letter(hearing, Scope.RECORD, rejection.reason, rejection.detail, now_ms)
        return [self._dead_letter(hearing, _route(hearing), letter)]

    def _rationale(self, hearing: Hearing, topics: Outputs, verdict: Verdict, judgement: Judgement) -> list[Output]:
        if topics.rationale is None or (judgement.rationale is None and judgement.reasoning is None):
            return []
        rationale = Rationale(
            verdict_id=verdict.id,
            slot=verdict.slot,
            subject=verdict.subject,
            policy_id=verdict.policy.id,
            rationale=judgement.rationale,
            reasoning=judgement.reasoning,
        )
        return [
            _output(topics.rationale, encode_rationale(rationale, verdict, hearing.trace_headers), Receipt(hearing))
        ]

    def _whole(self, hearing: Hearing, route: Route) -> list[Output]:
        """A dead letter for each case whose failure can be mended, and a record for each that goes on elsewhere.

        They come last, for they hold what all policies said: who judges one case once more repeats the others' entries.
        """
        letters = [
            self._dead_letter(
                hearing,
                route,
                self._letter(hearing, Scope.CASE, why.reason, why.detail, verdict.timings.judged_at_ms, verdict),
            )
            for verdict, why in hearing.mendable
        ]
        return [*letters, *self._escalations(hearing, route)] if hearing.escalated else letters

    def _escalations(self, hearing: Hearing, route: Route) -> Iterator[Output]:
        if route.escalation is None or route.escalation.topic is None:
            raise InvariantViolated(f"{hearing!r} escalates to nobody")
        for verdict, policy in hearing.escalated:
            sent = escalated(hearing, verdict, policy)
            yield Output(route.escalation.topic, sent.key, sent.value, sent.headers, Receipt(hearing))

    def _dead_letter(self, hearing: Hearing, route: Route, letter: DeadLetter) -> Output:
        receipt = Receipt(hearing, (letter.scope, letter.reason))
        return _output(route.outputs.dead_letters, encode_dead_letter(letter, kept(hearing.record)), receipt)

    def _letter(
        self, hearing: Hearing, scope: Scope, reason: str, detail: str, now_ms: int, verdict: Verdict | None = None
    ) -> DeadLetter:
        if hearing.subject is None:
            raise InvariantViolated(f"{hearing!r} has no subject")
        provenance = self._provenance
        policy = verdict.policy if verdict else None
        origin = hearing.record.origin
        cluster, topic_id = self._home(hearing)
        return DeadLetter(
            id=dead_letter_id(provenance.namespace, provenance.lane, hearing.subject, scope, _about(hearing, policy)),
            scope=scope,
            reason=reason,
            detail=detail,
            retriable=reason != RejectionReason.UNREADABLE_BATCH,
            policy_id=policy.id if policy else None,
            policy_version=policy.version if policy else None,
            prompt_version=verdict.prompt_version if verdict else None,
            namespace=provenance.namespace,
            lane=provenance.lane,
            route=_route(hearing).name,
            subject=hearing.subject,
            kind=hearing.kind,
            stage=verdict.stage.name if verdict else "decode",
            cluster=cluster,
            group=provenance.group,
            topic_id=topic_id,
            attempts=verdict.attempt if verdict else 0,
            first_failed_at_ms=now_ms
            if origin is None or origin.first_failed_at_ms is None
            else origin.first_failed_at_ms,
            last_failed_at_ms=now_ms,
            app_version=provenance.app_version,
            model=provenance.model,
            replays=origin.replays if origin else 0,
            traceparent=_traceparent(hearing),
            entries=(*hearing.carried, *hearing.entries),
        )

    def _home(self, hearing: Hearing) -> tuple[str, str | None]:
        """The cluster in which the record that is kept was written, and the id of its topic."""
        record = kept(hearing.record)
        if record.origin is not None:
            return record.origin.cluster, record.origin.topic_id
        return self._provenance.cluster, record.lease.topic_id


def _about(hearing: Hearing, policy: PolicyRef | None) -> PolicyId | None:
    """The policy that a dead letter is about. An escalation record is about one also where nothing could be read of it: each
    policy's is a letter of its own.
    """
    origin = hearing.record.origin
    if policy is None and origin is not None and origin.escalated is not None:
        return origin.escalated.policy_id
    return policy.id if policy else None


def publishes(route: Route, verdict: Verdict) -> bool:
    """Whether a route publishes a verdict. An allow that supersedes a published verdict always appears."""
    return route.publish is Publish.ALL or verdict.decision is not Decision.ALLOW or verdict.sequence > 0


def _output(topic: str, encoded: Encoded, receipt: Receipt) -> Output:
    return Output(topic, encoded.key, encoded.value, encoded.headers, receipt)


def _route(hearing: Hearing) -> Route:
    if hearing.route is None:
        raise InvariantViolated(f"{hearing!r} has no route")
    return hearing.route


def _traceparent(hearing: Hearing) -> str | None:
    value = dict(hearing.trace_headers).get("traceparent")
    return value.decode("ascii", "replace") if value else None
