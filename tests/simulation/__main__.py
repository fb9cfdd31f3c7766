"""`python -m tests.simulation`: runs schedules by the thousand, or one of them with everything that happens in it.

Prints how many schedules a minute it ran, and which events met which states. The exit status is 1 where a schedule showed
what must never be; its seed is printed, with the command that replays it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.coverage import Coverage
from tests.simulation.simulate import Violation, play, run_schedule

_CHUNK = 50


def main() -> int:
    """Runs what the command line asks for."""
    options = _options()
    if options.trace:
        world = play(options.seed, Coverage())
        _say(world.story, f"fingerprint {world.fingerprint}", world.wrong or "nothing is wrong")
        return int(world.wrong is not None)
    began = time.perf_counter()
    coverage, violations, busy_s = _run_all(range(options.seed, options.seed + options.schedules), options.jobs)
    minutes = (time.perf_counter() - began) / 60
    rate = options.schedules / minutes
    _say(
        coverage.table(),
        *violations,
        f"{options.schedules:,} schedules, {len(violations)} with a violation, "
        f"{rate:,.0f} a minute with {options.jobs} job(s), {60 * options.schedules / busy_s:,.0f} a minute of one core's time",
    )
    return int(bool(violations))


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000, help="how many to run")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed; the others follow")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes share the work")
    parser.add_argument(
        "--trace", action="store_true", help="play the one schedule of --seed and print all that happens"
    )
    return parser.parse_args()


def _run_all(seeds: range, jobs: int) -> tuple[Coverage, list[str], float]:
    coverage, violations, busy_s = Coverage(), [], 0.0
    for met, wrong, seconds in _results([seeds[i : i + _CHUNK] for i in range(0, len(seeds), _CHUNK)], jobs):
        coverage.counts.update(met.counts)
        violations.extend(wrong)
        busy_s += seconds
    return coverage, violations, busy_s


def _results(chunks: list[range], jobs: int) -> Iterable[tuple[Coverage, list[str], float]]:
    if jobs == 1:
        yield from map(_run_chunk, chunks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_run_chunk, chunks)


def _run_chunk(seeds: range) -> tuple[Coverage, list[str], float]:
    coverage, violations, began = Coverage(), [], time.process_time()
    for seed in seeds:
        try:
            run_schedule(seed, coverage)
        except Violation as violation:
            violations.append(str(violation))
    return coverage, violations, time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
