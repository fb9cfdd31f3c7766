"""Quantiles of what a histogram counted, as `histogram_quantile` of Prometheus has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from math import inf

Buckets = Mapping[float, float]
"""How many observations were at most so large, by that bound. The last bound is infinite."""


def merged(each: Iterable[Buckets]) -> Buckets:
    """The buckets of several histograms together: only bounds that all have tell of all."""
    each = [buckets for buckets in each if buckets]
    bounds = reduce(set.intersection, (set(buckets) for buckets in each)) if each else set()
    return {bound: sum(buckets[bound] for buckets in each) for bound in sorted(bounds)}


def quantile(buckets: Buckets, share: float) -> float | None:
    """Below which value so large a share of the observations lies, by a straight line within its bucket.

    Infinite where it is beyond the last finite bound; None where nothing was observed.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    wanted, low, below = share * total, 0.0, 0.0
    for bound in bounds:
        count = max(buckets[bound], below)  # a page that was written while it was counted may be off by one
        if count >= wanted and count > below:
            return inf if bound == inf else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return inf
