from __future__ import annotations

from math import inf

import pytest

from stream_guard.watching.quantiles import merged, quantile


@pytest.mark.parametrize(
    ("share", "seconds"), [(0.5, 1.0), (0.25, 0.5), (0.75, 1.5), (0.9, 1.8), (1.0, 2.0), (0.0, 0.0)]
)
def test_a_quantile_lies_on_a_straight_line_within_its_bucket(share: float, seconds: float) -> None:
    """As Prometheus has it."""
    assert quantile({1.0: 50, 2.0: 100, inf: 100}, share) == pytest.approx(seconds)


def test_beyond_the_last_bound_is_infinite() -> None:
    """How long it took nobody knows."""
    assert quantile({1.0: 50, inf: 100}, 0.95) == inf


@pytest.mark.parametrize("buckets", [{}, {1.0: 0, inf: 0}])
def test_nothing_observed_has_no_quantile(buckets: dict[float, float]) -> None:
    """Not zero: none."""
    assert quantile(buckets, 0.5) is None


def test_a_bucket_that_was_counted_while_the_page_was_written_does_no_harm() -> None:
    """A smaller bucket may be ahead of a larger one by an observation."""
    assert quantile({1.0: 11, 2.0: 10, inf: 12}, 0.5) == pytest.approx(6 / 11)


def test_histograms_are_added_at_the_bounds_that_all_have() -> None:
    """Two versions may have different buckets: at a common bound both say how many were below."""
    both = merged([{1.0: 5, 2.0: 8, inf: 10}, {0.5: 1, 1.0: 2, inf: 2}, {}])
    assert both == {1.0: 7, inf: 12}
    assert merged([]) == {}
