"""The bench: where cases wait, are asked, and are asked again until they have an outcome.

A state machine without I/O or clock: it is told what happened and when, and returns what is to be done.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Generic, NamedTuple

from msgspec import Struct

from stream_guard.engines.port import Ask, AskId, Completion, Failure, FailureKind
from stream_guard.judging.case import Case, Outcome, Owner
from stream_guard.judging.judgement import Abstention, AbstentionReason, BadReply
from stream_guard.judging.reply import read_reply
from stream_guard.judging.retry import Retry
from stream_guard.prompting.port import Renderer

SECOND_THOUGHT_TEMPERATURE = 0.7
"""A bad reply came from greedy decoding: asked the same way, the model would say the same."""

_RENDERED_AT_ONCE = 16
"""Prompts rendered in one call: by so many at most can `BenchBounds.tokens` be passed."""


class BenchBounds(Struct, frozen=True):
    """What may be open at the engine at most: enough to keep its queue just full. `timeout_s` bounds one ask."""

    asks: int = 256
    tokens: int = 1_000_000
    timeout_s: float = 60.0


class Settled(NamedTuple, Generic[Owner]):
    """What a list of completions came to."""

    outcomes: list[Outcome[Owner]]
    retried: list[tuple[Case[Owner], str]]
    """Cases that are asked again, each with the reason."""
    unavailable: str | None
    """Why the engine must be taken for unavailable, None where nothing says so."""


class Overdue(NamedTuple, Generic[Owner]):
    """Asks that took too long: to be cancelled, and how their cases ended."""

    cancel: list[AskId]
    outcomes: list[Outcome[Owner]]


class Bench(Generic[Owner]):
    """Cases by state: waiting (in order), pausing before they are asked again, open at the engine (oldest first)."""

    def __init__(self, renderer: Renderer, retry: Retry, bounds: BenchBounds) -> None:
        self._renderer = renderer
        self._retry = retry
        self._bounds = bounds
        self._ids = count(1)
        self._waiting: deque[Case[Owner]] = deque()
        self._pausing: list[tuple[float, int, Case[Owner]]] = []
        self._open: OrderedDict[AskId, Case[Owner]] = OrderedDict()
        self.tokens = 0
        """Prompt tokens open at the engine."""

    @property
    def asks(self) -> int:
        """Asks open at the engine."""
        return len(self._open)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._pausing) + len(self._open)

    def add(self, cases: Sequence[Case[Owner]]) -> None:
        """Enters an intake's cases; those of one prompt version come next to each other, so that they share its prefix."""
        by_prompt: dict[str, list[Case[Owner]]] = {}
        for case in cases:
            by_prompt.setdefault(case.template.prompt_version, []).append(case)
        for group in by_prompt.values():
            self._waiting.extend(group)

    def admit(self, now: float) -> list[Ask]:
        """The asks that the engine has room for now."""
        while self._pausing and self._pausing[0][0] <= now:
            self._waiting.append(heapq.heappop(self._pausing)[2])
        asks: list[Ask] = []
        while self._waiting and self.asks < self._bounds.asks and self.tokens < self._bounds.tokens:
            asks.extend(self._ask(self._next_group(), now))
        return asks

    def completed(self, completions: Iterable[Completion], now: float) -> Settled[Owner]:
        """Takes what the engine gave back. A completion of an ask that is no longer open counts for nothing."""
        settled: Settled[Owner] = Settled([], [], None)
        recalled: list[Case[Owner]] = []
        for completion in completions:
            case = self._take(completion.ask_id)
            if case is None:
                continue
            case.spend(completion.usage)
            reply = completion.reply
            if not isinstance(reply, Failure):
                result = read_reply(case.template, reply, self._renderer.text)
                if isinstance(result, BadReply):
                    self._bad_reply(case, result, now, settled)
                else:
                    settled.outcomes.append(Outcome(case, result))
            elif reply.kind is FailureKind.UNAVAILABLE:
                recalled.append(case)
                settled = settled._replace(unavailable=reply.detail)
            else:
                self._failure(case, reply, now, settled)
        self._waiting.extendleft(reversed(recalled))
        return settled

    def overdue(self, now: float) -> Overdue[Owner]:
        """The asks that have been open for too long."""
        overdue: Overdue[Owner] = Overdue([], [])
        while self._open:
            ask_id, case = next(iter(self._open.items()))
            if case.asked_at + self._bounds.timeout_s > now:
                break
            self._take(ask_id)
            overdue.cancel.append(ask_id)
            detail = f"no reply within {self._bounds.timeout_s:g} s"
            overdue.outcomes.append(Outcome(case, Abstention(AbstentionReason.TIMEOUT, detail)))
        return overdue

    def recall(self) -> list[AskId]:
        """The engine is unavailable: whatever is open there waits to be asked again. Returns the asks to cancel.

        How long a case has seen the engine stumble is forgotten, or the time of the outage would count against it.
        """
        ask_ids = list(self._open)
        cases = [case for case in (self._take(ask_id) for ask_id in ask_ids) if case is not None]
        self._waiting.extendleft(reversed(cases))
        for case in chain(self._waiting, (entry[2] for entry in self._pausing)):
            case.stumbling_since = None
        return ask_ids

    def drop(self, owners: Iterable[Owner]) -> list[AskId]:
        """Forgets every case of these owners. Returns the asks to cancel."""
        gone = {id(owner) for owner in owners}
        self._waiting = deque(case for case in self._waiting if id(case.owner) not in gone)
        self._pausing = [entry for entry in self._pausing if id(entry[2].owner) not in gone]
        heapq.heapify(self._pausing)
        ask_ids = [ask_id for ask_id, case in self._open.items() if id(case.owner) in gone]
        for ask_id in ask_ids:
            self._take(ask_id)
        return ask_ids

    def _next_group(self) -> list[Case[Owner]]:
        room = min(self._bounds.asks - self.asks, _RENDERED_AT_ONCE)
        group = [self._waiting.popleft()]
        template = group[0].template
        while len(group) < room and self._waiting and self._waiting[0].template is template:
            group.append(self._waiting.popleft())
        return group

    def _ask(self, group: list[Case[Owner]], now: float) -> Iterator[Ask]:
        template = group[0].template
        for case, rendered in zip(group, self._renderer.render(template, [c.judged for c in group]), strict=True):
            ask_id = AskId(next(self._ids))
            case.ask_id, case.asked_at, case.prompt_size = ask_id, now, len(rendered.prompt)
            case.attempts += 1
            self._open[ask_id] = case
            self.tokens += case.prompt_size
            yield Ask(
                id=ask_id,
                prompt=rendered.prompt,
                read=template.read,
                turns=rendered.turns,
                traceparent=case.traceparent,
                effort=template.policy.effort,
                temperature=SECOND_THOUGHT_TEMPERATURE if case.bad_replies else 0.0,
            )

    def _take(self, ask_id: AskId) -> Case[Owner] | None:
        case = self._open.pop(ask_id, None)
        if case is not None:
            case.ask_id = None
            self.tokens -= case.prompt_size
        return case

    def _bad_reply(self, case: Case[Owner], bad: BadReply, now: float, settled: Settled[Owner]) -> None:
        case.bad_replies += 1
        self._again(case, self._retry.after_bad_reply(case.bad_replies), bad.reason, bad.detail, now, settled)

    def _failure(self, case: Case[Owner], failure: Failure, now: float, settled: Settled[Owner]) -> None:
        if failure.kind is not FailureKind.TRANSIENT:
            reason = AbstentionReason.TOO_LONG if failure.kind is FailureKind.TOO_LONG else AbstentionReason.REJECTED
            settled.outcomes.append(Outcome(case, Abstention(reason, failure.detail)))
            return
        case.stumbles += 1
        if case.stumbling_since is None:
            case.stumbling_since = now
        pause = self._retry.after_stumble(case.stumbles, now - case.stumbling_since)
        self._again(case, pause, AbstentionReason.FAILED, failure.detail, now, settled)

    def _again(
        self,
        case: Case[Owner],
        pause: float | None,
        reason: AbstentionReason,
        detail: str,
        now: float,
        settled: Settled[Owner],
    ) -> None:
        if pause is None:
            settled.outcomes.append(Outcome(case, Abstention(reason, detail)))
            return
        settled.retried.append((case, reason))
        heapq.heappush(self._pausing, (now + pause, next(self._ids), case))
