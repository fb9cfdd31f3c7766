"""The pipeline beside what it is measured against: a hand-written loop, and the bare engine.

    python -m loadtest.pipeline [--scripted] [--model] [--pairs N] [--records N] [--cases N] [--json]

Starts a real broker (or uses the one that STREAM_GUARD_TEST_BOOTSTRAP names), runs the arms in turns, prints a table.
Nothing is asserted: absolute times depend on the machine, and on what else runs on it; the ratios much less.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

import msgspec

from loadtest.arms import saturated, scripted
from loadtest.broker import broker
from loadtest.report import Run, markdown

_CONCURRENCIES = (32, 64, 128, 256)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what was asked for, both by default, and prints it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    chosen = _parser().parse_args(arguments)
    both = chosen.scripted == chosen.model
    with broker() as kafka:
        loop = scripted(kafka, chosen.pairs, chosen.records) if both or chosen.scripted else None
        bare = saturated(kafka, chosen.pairs, chosen.cases, _CONCURRENCIES) if both or chosen.model else None
    run = Run.now(shlex.join(["python", "-m", "loadtest.pipeline", *arguments]), loop, bare)
    print(msgspec.json.encode(run).decode() if chosen.json else markdown(run))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripted", action="store_true", help="only the scripted engine and the hand-written loop")
    parser.add_argument("--model", action="store_true", help="only the small model and the bare engine")
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="pairs, or rounds of the model (%(default)s)")
    parser.add_argument(
        "--records", type=int, default=50_000, metavar="N", help="records of a scripted arm (%(default)s)"
    )
    parser.add_argument(
        "--cases", type=int, default=150, metavar="N", help="cases of a window of the model (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    return parser


if __name__ == "__main__":
    main()
