"""Whether an ask is asked again, and when."""

from __future__ import annotations

import random

from stream_guard.judging.retry import Retry, RetryPolicy

POLICY = RetryPolicy(attempts=3, stumbling_for_s=60.0, wait_s=0.5, max_wait_s=4.0, stumbles=4, timeouts=2)


def make_retry() -> Retry:
    """A seeded retry."""
    return Retry(POLICY, random.Random(1))


def test_bad_replies_are_asked_again_at_once_until_the_attempts_are_spent() -> None:
    """Three attempts are two retries."""
    retry = make_retry()
    assert [retry.after_bad_reply(n) for n in (1, 2, 3)] == [0.0, 0.0, None]


def test_stumbles_are_given_time_rather_than_attempts() -> None:
    """Ten failures within the time are retried; past it a few are given all the same, where each took long."""
    retry = make_retry()
    assert retry.after_stumble(10, 59.0) is not None
    assert retry.after_stumble(3, 300.0) is not None
    assert retry.after_stumble(4, 60.0) is None


def test_an_ask_without_an_answer_is_asked_again_at_once() -> None:
    """It has waited long enough, and so has the engine: a few times, then no more."""
    retry = make_retry()
    assert [retry.after_timeout(n) for n in (1, 2)] == [0.0, None]


def test_an_engine_that_fails_often_loses_hardly_a_case() -> None:
    """By the default counts: two asks of five fail, or one of twenty hangs, and no case in 10,000 is given up."""
    default = RetryPolicy()
    assert 0.4**default.stumbles < 1e-4
    assert 0.05**default.timeouts < 1e-6


def test_waits_grow_and_are_bounded_and_jittered() -> None:
    """Full jitter between nothing and an exponentially growing bound."""
    retry = make_retry()
    first = [retry.after_stumble(1, 0.0) or 0.0 for _ in range(200)]
    late = [retry.after_stumble(9, 0.0) or 0.0 for _ in range(200)]
    assert 0.0 <= min(first) < max(first) <= 0.5
    assert 0.5 < max(late) <= 4.0


def test_the_same_seed_waits_the_same() -> None:
    """The simulator depends on it."""
    one, other = make_retry(), make_retry()
    assert [one.after_stumble(n, 0.0) for n in range(1, 9)] == [other.after_stumble(n, 0.0) for n in range(1, 9)]
