"""A million hostile contents through decode, normalise, render and parse: no control token, no forged frame, no crash.

    python -m loadtest.hostile [--contents 1000000] [--seed 1] [--workers 2] [--replay NUMBER]

Half of the contents are built from spellings of control tokens, forged roles, split and nested forms; the rest is other texts and
bytes that are made to break something. Each is decoded as a record's value is, normalised, and rendered with the harmony
vocabulary and, where it is at hand, in the small model's chat template; one in twenty is also split. With each, two replies are
parsed that a model should not write. Nothing is downloaded, and no content is printed. Prints a Markdown table by generator; ends
with 1 where a check failed. What failed is made again from seed and number: `--replay NUMBER` prints it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from time import perf_counter

from loadtest.gauntlet import Fates, Gauntlet, all_prompts, content_of
from loadtest.hostilities import GENERATORS

_CHUNK = 1_000
_CHECKS = ("control_tokens", "forged", "unsound", "crashes")
_COLUMNS = ("contents", "decoded", "rejected", "normalised", "allowed", *_CHECKS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs and prints. Returns the exit code."""
    chosen = _parser().parse_args(arguments)
    if chosen.replay is not None:
        made, _ = content_of(chosen.seed, chosen.replay)
        print(made)
        return 0
    renderers = " and ".join(
        prompts.name for prompts in all_prompts()
    )  # before the workers, who would all make the small model
    start = perf_counter()
    fates = measure(chosen.contents, chosen.seed, chosen.workers)
    print(f"{chosen.contents} contents, seed {chosen.seed}, {chosen.workers} workers, {perf_counter() - start:.0f} s")
    print(f"Rendered in {renderers}.\n")
    print(table(fates))
    return int(any(each.failures for each in fates.values()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contents", type=int, default=1_000_000, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which ones (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (%(default)s)")
    parser.add_argument("--replay", type=int, metavar="NUMBER", help="print the content of a number, and end")
    return parser


def measure(contents: int, seed: int, workers: int) -> dict[str, Fates]:
    """What became of so many contents, by generator. A worker that dies ends all with BrokenProcessPool."""
    chunks = [range(start, min(start + _CHUNK, contents)) for start in range(0, contents, _CHUNK)]
    fates = {name: Fates() for name in dict.fromkeys(GENERATORS)}
    if workers == 1:
        _add_all(fates, (_run(seed, chunk) for chunk in chunks), contents)
        return fates
    with ProcessPoolExecutor(workers, get_context("spawn"), _gauntlet) as pool:
        _add_all(fates, pool.map(_run, [seed] * len(chunks), chunks), contents)
    return fates


@cache
def _gauntlet() -> Gauntlet:
    """This process's."""
    return Gauntlet(all_prompts())


def _run(seed: int, numbers: range) -> dict[str, Fates]:
    return _gauntlet().run(seed, numbers)


def _add_all(fates: Mapping[str, Fates], chunks: Iterable[Mapping[str, Fates]], contents: int) -> None:
    """Adds up, and tells how far it is, once a second at most."""
    told = perf_counter()
    for chunk in chunks:
        for name, more in chunk.items():
            fates[name].add(more)
        if perf_counter() - told >= 1.0:
            told = perf_counter()
            done, failed = sum(each.contents for each in fates.values()), sum(each.failures for each in fates.values())
            print(f"\r{done} of {contents}, {failed} failed checks", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def table(fates: Mapping[str, Fates]) -> str:
    """The counts by generator, and what to replay where a check failed."""
    whole = Fates()
    for each in fates.values():
        whole.add(each)
    heads = ("generator", *(name.replace("_", " ") for name in _COLUMNS), "us each", "slowest ms")
    rows = [_row(name, each) for name, each in (*fates.items(), ("**all**", whole)) if each.contents]
    return "\n".join([_line(heads), _line(["---"] * len(heads)), *map(_line, rows), "", *_failed(fates)])


def _row(name: str, fates: Fates) -> list[str]:
    counts = [str(getattr(fates, column)) for column in _COLUMNS]
    return [name, *counts, f"{fates.seconds / fates.contents * 1e6:.0f}", f"{fates.slowest_s * 1e3:.0f}"]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _failed(fates: Mapping[str, Fates]) -> Iterator[str]:
    for name, each in fates.items():
        if each.first_failure is not None:
            causes = "".join(f", {count} {cause}" for cause, count in each.causes.most_common())
            yield f"{name}: first failed check at --replay {each.first_failure}{causes}"


if __name__ == "__main__":
    sys.exit(main())
