"""Buckets of tokens, one a key."""

from __future__ import annotations

import pytest

from stream_guard.judging.quota import Quotas
from stream_guard.judging.terms import Quota

TEN = Quota(10, 5.0)
"""Two tokens a second."""


def test_a_key_pays_until_nothing_is_left() -> None:
    """And goes on once something is."""
    quotas = Quotas()
    quotas.pay("k", TEN, 10, 0.0)
    assert quotas.spent("k", TEN, 0.0)
    assert not quotas.spent("k", TEN, 0.1)
    quotas.pay("k", TEN, 1, 0.1)
    assert quotas.spent("k", TEN, 0.1)


def test_a_debt_is_paid_off_before_anything_else() -> None:
    """However long that takes."""
    quotas = Quotas()
    quotas.pay("k", TEN, 110, 0.0)
    assert quotas.spent("k", TEN, 50.0)
    assert not quotas.spent("k", TEN, 50.5)


def test_a_bucket_never_holds_more_than_it_may() -> None:
    """A key that was silent for a day may use no more than one that was so for a minute."""
    quotas = Quotas()
    quotas.pay("k", TEN, 5, 0.0)
    quotas.pay("k", TEN, 10, 86_400.0)
    assert quotas.spent("k", TEN, 86_400.0)


def test_keys_are_nothing_to_each_other() -> None:
    """One that is spent is the only one."""
    quotas = Quotas()
    quotas.pay("k", TEN, 100, 0.0)
    assert not quotas.spent("other", TEN, 0.0)


def test_the_bucket_that_was_paid_from_longest_ago_is_forgotten_first() -> None:
    """Memory is bounded, in favour of whoever is forgotten."""
    quotas = Quotas(keys=2)
    for key, now in (("a", 0.0), ("b", 1.0), ("a", 6.0), ("c", 7.0)):
        quotas.pay(key, TEN, 11, now)
    assert len(quotas) == 2
    assert not quotas.spent("b", TEN, 7.0)
    assert quotas.spent("a", TEN, 6.0)


@pytest.mark.parametrize("long", ["k" * 100_000, "\ud800" * 100])
def test_a_long_key_is_kept_as_a_hash(long: str) -> None:
    """Keys are written by strangers."""
    quotas = Quotas()
    quotas.pay(long, TEN, 11, 0.0)
    assert quotas.spent(long, TEN, 0.0)
    assert not quotas.spent(long + "k", TEN, 0.0)
    assert all(len(key) <= 64 for key in quotas._buckets)
