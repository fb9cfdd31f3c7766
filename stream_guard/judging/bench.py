"""The bench: where cases wait, are asked, and are asked again until they have an outcome.

A state machine without I/O or clock: it is told what happened and when, and returns what is to be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from math import inf
from typing import Generic

from msgspec import Struct

from stream_guard.engines.port import AskId, Completion, Failure, FailureKind, Labels, Text
from stream_guard.judging.asking import Asking
from stream_guard.judging.case import Case, Dues, Outcome, Owner, Part, abstained, outcomes
from stream_guard.judging.combine import results_of
from stream_guard.judging.course import Stand
from stream_guard.judging.fitting import Fitting, fixed_tokens, price
from stream_guard.judging.judgement import Abstention, AbstentionReason, BadReply, Said
from stream_guard.judging.places import Places
from stream_guard.judging.queue import Queue
from stream_guard.judging.quota import Quotas
from stream_guard.judging.retry import Retry
from stream_guard.judging.turn import Admitted, Overdue, Settled, Turn
from stream_guard.prompting.port import Renderer

_RENDERED_AT_ONCE = 16
"""Prompts rendered in one call: by so many at most can `BenchBounds.tokens` be passed, and by what the steps of open parts add."""

_RENDERED_A_TURN = 500_000
"""Characters after which the bench lets others have their turn: a content that is too long is rendered without taking up
any of the engine's room, so that nothing else would end the turn. The next comes with the next tick at the latest."""


class BenchBounds(Struct, frozen=True):
    """What may be open at the engine at most: enough to keep its queue just full. `timeout_s` bounds one ask.

    `context_tokens` is the model's context, prompt and reply together; 0 where it is unknown.
    """

    asks: int = 256
    tokens: int = 1_000_000
    timeout_s: float = 60.0
    context_tokens: int = 0


class Bench(Generic[Owner]):
    """A case is one part, until it proves to be too long: then each of its segments is one.

    Retries and time limits are a part's. A case that was split ends once all its segments have a result, or once one has a
    result that no other could change; what is still open of it then is cancelled.

    A case whose deadline has passed is not asked about, nor asked again. An ask that is open by then may end: most of its
    time is spent, and a verdict that comes late is worth more than an abstention that somebody has to look into.
    """

    def __init__(
        self, renderer: Renderer, retry: Retry, bounds: BenchBounds, queue: Queue[Owner] | None = None
    ) -> None:
        """`queue` says who is next: by default by fair shares and deadlines."""
        self._renderer = renderer
        self._retry = retry
        self._bounds = bounds
        self._fitting = Fitting(renderer, bounds.context_tokens)
        self._quotas = Quotas()
        if queue is None:
            queue = Queue(bounds.tokens // bounds.asks)
        self._places: Places[Owner] = Places(queue)
        self._asking = Asking(self._places, renderer.text)
        self._company = 0
        """How many suspects have the engine to themselves; 0 where it is open to all."""

    @property
    def asks(self) -> int:
        """Asks open at the engine."""
        return len(self._places.open)

    @property
    def tokens(self) -> int:
        """Prompt tokens open at the engine."""
        return self._places.tokens

    def __len__(self) -> int:
        return len(self._places)

    # -- asking -------------------------------------------------------------------------------------------------------

    def add(self, cases: Sequence[Case[Owner]], now: float) -> list[Outcome[Owner]]:
        """Enters an intake's cases; those of one prompt version come next to each other, so that they share its prefix.

        Returns those that end at once, because their key has used up its quota: a flood does not wait for its turn.
        """
        by_prompt: dict[str, list[Part[Owner]]] = {}
        limited: list[Outcome[Owner]] = []
        for case in cases:
            if case.dues is not None and self._has_spent(case, case.dues, now):
                limited.extend(_limited(case))
            else:
                by_prompt.setdefault(case.template.prompt_version, []).append(Part(case, case.judged))
        for group in by_prompt.values():
            self._places.waiting.arrive(group)
        return limited

    def admit(self, now: float) -> Admitted[Owner]:
        """What the engine has room for now, as far as one turn goes."""
        places, bounds, chars = self._places, self._bounds, _RENDERED_A_TURN
        admitted: Admitted[Owner] = Admitted([], [], [])
        places.resume(now)
        if (self._company or places.suspects) and self._isolates(now, admitted):
            return admitted
        while chars > 0 and places.waiting and (room := bounds.asks - self.asks) > 0 and places.tokens < bounds.tokens:
            group, expired = places.waiting.take(room, _RENDERED_AT_ONCE, chars, now)
            if expired:
                self._expire(expired, admitted)
                group = [part for part in group if part.awaited]
            if group:
                chars -= sum(part.judged.chars for part in group)
                self._admit_group(group, now, admitted)
        return admitted

    def _isolates(self, now: float, admitted: Admitted[Owner]) -> bool:
        """Whether the engine is for suspects now: nothing else may be open while they are, and others wait for that."""
        places = self._places
        if places.suspects:
            self._expire(places.suspects.expired(now), admitted)
        while places.suspects and not places.open:
            group = places.suspects.take(_RENDERED_A_TURN)
            self._company = len(group)
            self._admit_group(group, now, admitted)
        if not places.suspects and not places.open:
            self._company = 0
        return bool(self._company or places.suspects)

    def _admit_group(self, group: list[Part[Owner]], now: float, admitted: Admitted[Owner]) -> None:
        """Asks about a group of parts of one template, but for those that are too long, or may not be asked about."""
        template = group[0].case.template
        fixed, terms, room = fixed_tokens(template), None, None
        too_long: list[tuple[Part[Owner], int]] = []
        rendered = self._renderer.render(template, [part.judged for part in group])
        for part, prompt in zip(group, rendered, strict=True):
            case, tokens = part.case, len(prompt.prompt) - fixed
            if case.terms is not terms:
                terms, room = case.terms, self._fitting.room(template, case.terms)
            if case.dues is not None and not self._pay(case, case.dues, tokens, now, admitted):
                admitted.outcomes.extend(_limited(case))
            elif room is not None and tokens > room and prompt.prompt:
                too_long.append((part, tokens))
            else:
                admitted.asks.append(self._asking.first(part, prompt, now))
        for part, tokens in too_long:
            self._divide(part, admitted, tokens)

    # -- quotas -------------------------------------------------------------------------------------------------------

    def _has_spent(self, case: Case[Owner], dues: Dues, now: float) -> bool:
        return case.terms.quota is not None and self._quotas.spent(dues.key, case.terms.quota, now)

    def _pay(self, case: Case[Owner], dues: Dues, tokens: int, now: float, admitted: Admitted[Owner]) -> bool:
        """Pays for a case, whole and once. If that uses up its key's quota, what else waits of that key ends at once."""
        if not dues.begun and self._has_spent(case, dues, now):
            return False
        case.dues, dues.begun = None, True
        if case.terms.quota is not None:
            self._quotas.pay(dues.key, case.terms.quota, price(case.judged, tokens), now)
            if self._has_spent(case, dues, now):
                self._limit(dues.key, admitted)
        return True

    def _limit(self, key: str, admitted: Admitted[Owner]) -> None:
        """Ends what waits of a key, but for events of which a case has paid."""

        def owes(part: Part[Owner]) -> bool:
            dues = part.case.dues
            return dues is not None and dues.key == key and not dues.begun

        others = [part.case for part in self._places.waiting if owes(part)]
        if others:
            admitted.outcomes.extend(chain.from_iterable(map(_limited, others)))
            self._places.forget(owes)

    # -- what the engine says, or does not ----------------------------------------------------------------------------

    def completed(self, completions: Iterable[Completion], now: float, *, in_doubt: bool = False) -> Settled[Owner]:
        """Takes what the engine gave back. A completion of an ask that is no longer open counts for nothing.

        While it is `in_doubt` whether asks or the engine are to blame, no case is given up for what failed.
        """
        settled: Settled[Owner] = Settled([], [], [], [], None)
        recalled: list[Part[Owner]] = []
        for completion in completions:
            part = self._places.leave(completion.ask_id)
            if part is None:
                continue
            part.case.spend(completion.usage)
            reply = completion.reply
            if not isinstance(reply, Failure):
                self._replied(part, reply, now, settled)
            elif reply.kind in (FailureKind.UNAVAILABLE, FailureKind.DIED):
                settled = settled._replace(unavailable=reply.detail)
                if reply.kind is FailureKind.UNAVAILABLE or not self._is_guilty(part, settled):
                    recalled.append(part)
            elif (stand := self._asking.despite(part, reply)) is not None:
                settled.asks.append(self._asking.next(part, stand, now))
            else:
                self._failure(part, reply, now, settled, in_doubt=in_doubt)
        if recalled:
            self._places.put_back([part for part in recalled if part.awaited])
        return settled

    def _replied(self, part: Part[Owner], reply: Labels | Text, now: float, settled: Settled[Owner]) -> None:
        """A reply is the end of a part, or a step on the way, or says nothing."""
        result = self._asking.read(part, reply)
        if isinstance(result, Stand):
            part.forgive()  # it was answered: what the engine failed before does not count for the next step
            settled.asks.append(self._asking.next(part, result, now))
            return
        if part.case.deadline < inf:
            self._places.waiting.measured(part, now - part.begun_at)
        if isinstance(result, BadReply):
            self._bad_reply(part, result, now, settled)
        else:
            self._end(part, result, settled)

    def _is_guilty(self, part: Part[Owner], settled: Settled[Owner]) -> bool:
        """Whether the engine's process ended because of this part: it was open, but was it alone? Then it ends too."""
        part.deaths += 1
        if self._company != 1:
            return False
        if part.awaited:
            detail = f"the engine's process ended {part.deaths} times while it was asked, at last nothing else"
            self._end(part, Abstention(AbstentionReason.ENGINE_KILLER, detail), settled)
        self._places.clear_suspects()
        return True

    def overdue(self, now: float, *, in_doubt: bool = False) -> Overdue[Owner]:
        """Ends what waits though its deadline has passed, and the asks that have been open for too long. They are asked again a few times; while it is `in_doubt`, always."""
        overdue: Overdue[Owner] = Overdue([], [], [])
        while self._places.open:
            ask_id, part = next(iter(self._places.open.items()))
            if part.asked_at + self._bounds.timeout_s > now:
                break
            self._places.leave(ask_id)
            overdue.cancel.append(ask_id)
            part.timeouts += 1
            detail = f"no reply within {self._bounds.timeout_s:g} s, {part.timeouts} times"
            pause = self._retry.after_timeout(part.timeouts, in_doubt=in_doubt)
            self._again(part, pause, Abstention(AbstentionReason.TIMEOUT, detail), now, overdue)
        self._expire(self._places.expired(now), overdue)
        return overdue

    def _expire(self, parts: Iterable[Part[Owner]], turn: Turn[Owner]) -> None:
        for part in parts:
            if part.awaited:
                self._end(part, _too_late(part.case), turn)

    def recall(self) -> list[AskId]:
        """The engine is unavailable: whatever is open there waits to be asked again. Returns the asks to cancel.

        How a part has seen the engine stumble is forgotten, or the outage would count against it.
        """
        ask_ids = self._places.recall()
        for part in self._places.not_open():
            part.forgive()
        return ask_ids

    def drop(self, owners: Iterable[Owner]) -> list[AskId]:
        """Forgets every case of these owners. Returns the asks to cancel."""
        gone = {id(owner) for owner in owners}
        ask_ids = self._places.forget(lambda part: id(part.case.owner) in gone)
        self._places.waiting.prune()
        return ask_ids

    def _bad_reply(self, part: Part[Owner], bad: BadReply, now: float, settled: Settled[Owner]) -> None:
        part.bad_replies += 1
        pause = self._retry.after_bad_reply(part.bad_replies)
        self._again(part, pause, Abstention(bad.reason, bad.detail), now, settled)

    def _failure(
        self, part: Part[Owner], failure: Failure, now: float, settled: Settled[Owner], *, in_doubt: bool
    ) -> None:
        if failure.kind is FailureKind.TOO_LONG:
            self._divide(part, settled, detail=failure.detail)
        elif failure.kind is FailureKind.TRANSIENT:
            part.stumbles += 1
            if part.stumbling_since is None:
                part.stumbling_since = now
            pause = self._retry.after_stumble(part.stumbles, now - part.stumbling_since, in_doubt=in_doubt)
            self._again(part, pause, Abstention(AbstentionReason.FAILED, failure.detail), now, settled)
        else:
            self._end(part, Abstention(AbstentionReason.REJECTED, failure.detail), settled)

    def _again(
        self,
        part: Part[Owner],
        pause: float | None,
        abstention: Abstention,
        now: float,
        turn: Settled[Owner] | Overdue[Owner],
    ) -> None:
        part.deaths = 0  # it was asked, and the engine lives
        if pause is None or now + pause >= part.case.deadline:
            self._end(part, abstention if pause is None else _too_late(part.case), turn)
            return
        turn.retried.append((part.case, abstention.reason))
        self._places.pause(part, now + pause)

    # -- parts and their cases ----------------------------------------------------------------------------------------

    def _divide(self, part: Part[Owner], turn: Turn[Owner], tokens: int = 0, detail: str = "") -> None:
        """Puts pieces of a part that is too long in its place, or ends it. Without `tokens` the engine found it too long."""
        if not part.awaited:
            return
        case = part.case
        most = case.terms.segments - (0 if case.segments is None else len(case.segments) - 1)
        pieces = self._fitting.pieces(case.template, case.terms, part.judged, tokens, most)
        if not pieces:
            detail = detail or f"{tokens} tokens of content, more than may be asked"
            self._end(part, Abstention(AbstentionReason.TOO_LONG, detail), turn)
            return
        self._places.put_back(case.divide(part, pieces))

    def _end(self, part: Part[Owner], ended: Said | Abstention, turn: Turn[Owner]) -> None:
        """A part has its results, and with them perhaps its case: what else is open of it is then of no use any more."""
        case = part.case
        whole = case.end(part, results_of(case.template.policies, ended))
        if whole is None:
            return
        turn.outcomes.extend(outcomes(case, whole))
        if case.segments is not None and case.segments.parts:
            turn.cancel.extend(self._places.forget(lambda other: other.case is case))
            case.segments.parts.clear()


def _limited(case: Case[Owner]) -> list[Outcome[Owner]]:
    quota = case.terms.quota
    told = f"its key used up {quota.tokens} tokens per {quota.per_s:g} s" if quota else ""
    return abstained(case, Abstention(AbstentionReason.RATE_LIMITED, told))


def _too_late(case: Case[Owner]) -> Abstention:
    detail = f"respond_by: {case.terms.respond_by_s or 0:g} s had passed since its timestamp"
    return Abstention(AbstentionReason.EXPIRED, detail)
