"""A run of `policy test` or `policy pack-test`: the engine of the configuration is opened and asked what there is to ask."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, TypeAlias

from msgspec import Struct

from stream_guard.config import JudgeSettings
from stream_guard.engines.port import Engine
from stream_guard.events.model import View
from stream_guard.judges import Choice, choose, warmed
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.case import Outcome
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.labelled import LabelledSet
from stream_guard.prompting.port import Template
from stream_guard.qualification.asking import Q, ask
from stream_guard.qualification.packing import Cost, PackResult, compared, cost_of
from stream_guard.qualification.posing import Posed, Posing, contents_of, unlabelled_in, unpacked
from stream_guard.qualification.questions import questions
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


News: TypeAlias = Stage | Asking | Answered | Result | PackResult


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
    async with opened(choice, tell) as engine:
        tell(Asking(engine.identity.model, len(asked)))
        outcomes = await answered(asked, engine, make_bench(settings, choice, engine), tell)
        unlabelled = sum(each.unlabelled for each in (labelled or {}).values())
        tell(Result(engine.identity.model, tuple(scored(policies, outcomes)), unlabelled))


async def compare_packed(
    settings: JudgeSettings,
    policies: Sequence[Policy],
    tell: Callable[[News], None],
    labelled: Mapping[PolicyId, LabelledSet],
) -> None:
    """Asks every labelled content under each policy by itself, then under all at once, and tells how they compare.

    One way after the other, warmed up for both, so that the times can be compared. Raises what `qualify` does.
    """
    policies = unpacked(policies)
    contents = contents_of(labelled, policies)
    tell(Stage("reading the model's folder"))
    choice = choose(settings)
    by_policy = _views(settings)
    posing = Posing(policies, choice.renderer, {view for policy in policies for view in by_policy.get(policy.id, ())})
    ways = posing.apart(contents), posing.together(contents)
    async with opened(choice, tell, posing.templates) as engine:
        tell(Asking(engine.identity.model, sum(map(len, ways))))
        timed = [await _timed(way, engine, make_bench(settings, choice, engine), tell) for way in ways]
        (apart, cost), (together, cost_together) = timed
        comparisons = tuple(compared(policies, apart, together))
        unlabelled = unlabelled_in(labelled, contents)
        tell(PackResult(engine.identity.model, comparisons, cost, cost_together, unlabelled))


async def _timed(
    way: Sequence[Posed], engine: Engine, bench: Bench[Posed], tell: Callable[[News], None]
) -> tuple[list[Outcome[Posed]], Cost]:
    begun = monotonic()
    outcomes = await answered(way, engine, bench, tell)
    return outcomes, cost_of(outcomes, monotonic() - begun)


@asynccontextmanager
async def opened(
    choice: Choice, tell: Callable[[News], None], templates: Sequence[Template] = ()
) -> AsyncIterator[Engine]:
    """The engine, once it is loaded and warmed up for templates."""
    tell(Stage("loading the model"))

    def log(event: str, **fields: object) -> None:
        if event == "engine.waiting":
            tell(Stage(f"waiting for the engine ({fields.get('reason')})"))

    async with warmed(choice, templates, log) as engine:
        yield engine


def make_bench(settings: JudgeSettings, choice: Choice, engine: Engine) -> Bench[Any]:
    """A bench within the bounds of the configuration."""
    window, judging = settings.window, settings.judging
    return Bench(
        choice.renderer,
        Retry(RetryPolicy(attempts=judging.attempts), random.Random()),  # noqa: S311 - jitter, not a secret
        BenchBounds(window.asks, window.tokens, judging.timeout, engine.identity.max_model_len),
    )


async def answered(
    asked: Sequence[Q], engine: Engine, bench: Bench[Q], tell: Callable[[News], None]
) -> list[Outcome[Q]]:
    """The outcomes of all questions; each ask that ended is told."""
    outcomes: list[Outcome[Q]] = []
    async for outcome in ask(asked, engine, bench):
        outcomes.append(outcome)
        if outcome.first:
            tell(Answered())
    return outcomes


def _views(settings: JudgeSettings) -> Mapping[str, Collection[View]]:
    """In which views the routes judge under each policy."""
    views: dict[str, set[View]] = {}
    for route in settings.routes:
        for policy in route.policies:
            views.setdefault(policy, set()).update(route.views)
    return views
