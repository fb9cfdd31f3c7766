"""A run of `policy test`: the engine of the configuration is opened and asked the examples of policies."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from stream_guard.config import JudgeSettings
from stream_guard.events.model import View
from stream_guard.judges import choose, warmed
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.case import Outcome
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.labelled import LabelledSet
from stream_guard.qualification.asking import ask
from stream_guard.qualification.questions import Question, questions
from stream_guard.qualification.scores import Score, scored


class Stage(Struct, frozen=True):
    """What is waited for now."""

    what: str


class Asking(Struct, frozen=True):
    """So many questions are asked now, of this model."""

    model: str
    questions: int


class Answered(Struct, frozen=True):
    """One more question has its answer."""


class Result(Struct, frozen=True):
    """How the model did under each policy."""

    model: str
    scores: tuple[Score, ...]
    unlabelled: int = 0
    """Contents of labelled sets that were left out, for want of a label."""


News: TypeAlias = Stage | Asking | Answered | Result


async def qualify(
    settings: JudgeSettings,
    policies: Sequence[Policy],
    tell: Callable[[News], None],
    labelled: Mapping[PolicyId, LabelledSet] | None = None,
) -> None:
    """Asks every example and tells the result. Where labelled sets are given, they are asked instead, of their policies.

    Raises ConfigError where the model can't be asked under a policy or a label is no category, ModelError where it can't be
    used, EngineUnavailable where it is lost on the way.
    """
    if labelled is not None:
        policies = [policy for policy in policies if policy.id in labelled]
    rows = {policy.id: labelled[policy.id].under(policy) for policy in policies} if labelled is not None else {}
    tell(Stage("reading the model's folder"))
    choice = choose(settings)
    views = _views(settings)
    asked = [
        one
        for policy in policies
        for one in questions(policy, choice.renderer, views.get(policy.id, ()), rows.get(policy.id))
    ]
    tell(Stage("loading the model"))

    def log(event: str, **fields: object) -> None:
        if event == "engine.waiting":
            tell(Stage(f"waiting for the engine ({fields.get('reason')})"))

    async with warmed(choice, [], log) as engine:
        tell(Asking(engine.identity.model, len(asked)))
        window, judging = settings.window, settings.judging
        bench: Bench[Question] = Bench(
            choice.renderer,
            Retry(RetryPolicy(attempts=judging.attempts), random.Random()),  # noqa: S311 - jitter, not a secret
            BenchBounds(window.asks, window.tokens, judging.timeout, engine.identity.max_model_len),
        )
        outcomes: list[Outcome[Question]] = []
        async for outcome in ask(asked, engine, bench):
            outcomes.append(outcome)
            tell(Answered())
        unlabelled = sum(each.unlabelled for each in (labelled or {}).values())
        tell(Result(engine.identity.model, tuple(scored(policies, outcomes)), unlabelled))


def _views(settings: JudgeSettings) -> Mapping[str, Collection[View]]:
    """In which views the routes judge under each policy."""
    views: dict[str, set[View]] = {}
    for route in settings.routes:
        for policy in route.policies:
            views.setdefault(policy, set()).update(route.views)
    return views
