"""When so many asks fail that the engine may be to blame."""

from __future__ import annotations

import random

import pytest

from stream_guard.engines.doubt import Doubt, DoubtBounds, answered
from stream_guard.engines.port import AskId, Completion, Failure, FailureKind, Labels
from stream_guard.judging.retry import RetryPolicy


def completion(kind: FailureKind | None = None) -> Completion:
    """An ask that ended."""
    return Completion(AskId(1), Labels({1: 0.0}) if kind is None else Failure(kind, "why"))


GOOD, FAILED = completion(), completion(FailureKind.TRANSIENT)


def test_a_few_failures_and_nothing_else_raise_doubt() -> None:
    """Five of five are enough, four are not."""
    doubt = Doubt()
    doubt.count([FAILED] * 4)
    assert not doubt.arises
    doubt.count([FAILED])
    assert doubt.arises
    doubt.dispel()
    assert not doubt.arises


def test_only_the_last_asks_count() -> None:
    """An engine that went well for a day is doubted after ten failures all the same."""
    doubt = Doubt()
    doubt.count([GOOD] * 10_000)
    doubt.count([FAILED] * 9)
    assert not doubt.arises
    doubt.count([FAILED])
    assert doubt.arises
    doubt.count([GOOD] * 11)
    assert not doubt.arises


def test_a_few_failures_among_many_answers_raise_none() -> None:
    """One of twenty fails, and chance does not doubt the engine in 100,000 asks."""
    doubt, rng = Doubt(), random.Random(1)
    for _ in range(100_000):
        doubt.count([FAILED if rng.random() < 0.05 else GOOD])
        assert not doubt.arises


@pytest.mark.parametrize("kind", [FailureKind.REJECTED, FailureKind.TOO_LONG])
def test_what_the_engine_does_not_take_is_an_answer(kind: FailureKind) -> None:
    """It is the ask's own fault."""
    doubt = Doubt()
    doubt.count([completion(kind)] * 20)
    assert not doubt.arises
    assert answered(completion(kind))


@pytest.mark.parametrize("kind", [FailureKind.UNAVAILABLE, FailureKind.DIED])
def test_an_outage_says_nothing_of_single_asks(kind: FailureKind) -> None:
    """It opens the breaker by itself."""
    doubt = Doubt()
    doubt.count([FAILED] * 4)
    doubt.count([completion(kind)] * 100)
    assert not doubt.arises
    assert not answered(completion(kind))


def test_an_ask_alone_raises_doubt_before_it_is_given_up() -> None:
    """However well the engine did before: by failing, or by hearing nothing, as often as the retry policy lets it."""
    policy, bounds = RetryPolicy(), DoubtBounds()
    for failures in ([1] * policy.stumbles, [bounds.unanswered] * (policy.timeouts - 1)):
        doubt = Doubt(bounds)
        doubt.count([GOOD] * 100)
        for weight in failures:
            doubt.unanswered(1) if weight > 1 else doubt.count([FAILED])
        assert doubt.arises
