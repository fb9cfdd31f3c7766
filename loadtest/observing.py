"""`python -m loadtest.observing`: what an observation of a latency costs, with and without an exemplar.

The baseline is the same histogram without exemplars. Arms run in turns, and the least of each counts: other work on the machine
only ever adds. Ratios within one run say something, microseconds on a shared machine little.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from timeit import repeat

from stream_guard.telemetry import names
from stream_guard.telemetry.accumulators import Histogram, Key

_ROUNDS, _CALLS = 15, 20_000
_TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
_KEY = ("engine",)


class Bare(Histogram):
    """A histogram that knows of no traces."""

    def observe(self, key: Key, value: float, traceparent: str | None = None) -> None:
        """Adds one observation."""
        del traceparent
        if not value >= 0.0:
            value = 0.0
        try:
            cell = self._cells[key]
        except KeyError:
            cell = self._open(key)
        cell[bisect_left(self._bounds, value)] += 1
        cell[-1] += value


def main() -> None:
    """Prints a Markdown table."""
    bare, ours, traced = Bare(names.STAGE_DURATION), Histogram(names.STAGE_DURATION), Histogram(names.STAGE_DURATION)
    arms: dict[str, Callable[[], None]] = {
        "no exemplars at all": lambda: bare.observe(_KEY, 0.3, None),
        "of a record that is not traced": lambda: ours.observe(_KEY, 0.3, None),
        "of a traced record": lambda: traced.observe(_KEY, 0.3, _TRACEPARENT),
    }
    least = dict.fromkeys(arms, float("inf"))
    for _ in range(_ROUNDS):
        for arm, call in arms.items():
            least[arm] = min(least[arm], *repeat(call, number=_CALLS, repeat=1))
    baseline = least["no exemplars at all"]
    print("| observation | ns | ratio |\n| --- | --- | --- |")
    for arm, seconds in least.items():
        print(f"| {arm} | {seconds / _CALLS * 1e9:.0f} | {seconds / baseline:.2f} |")


if __name__ == "__main__":
    main()
