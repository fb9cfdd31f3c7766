"""Runs the reference run and prints its table: `python -m tests.faults --help`. The exit code is 1 where a promise did not hold.

Three brokers (replication factor 3, two in sync at least), nine partitions, three members with the scripted engine: random order, 5 % of
all asks fail for a moment. Kills are hard and clean in turn; of the brokers the leader of the controllers, the group's coordinator and
the leader of the source's first partition in turn, each once all replicas are in sync again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.brokers import three_brokers
from tests.faults.index import listed
from tests.faults.scenario import Scenario, reference
from tests.faults.stage import Outcome, Stage
from tests.service import Services

_MB = 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, prints, and says by its exit code whether every promise held."""
    options = _options().parse_args(arguments)
    if options.list:
        sys.stdout.write(listed() + "\n")
        return 0
    began = time.monotonic()

    def tell(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {line}\n")

    folder = Path(options.keep or tempfile.mkdtemp(prefix="faults-"))
    scenario = reference(
        options.records, options.consumer_kills, options.broker_kills, options.seconds, options.seed, options.members
    )
    tell(f"seed {options.seed}, in {folder}")
    outcome = run(scenario, folder, tell)
    sys.stdout.write(table(outcome) + "\n")
    for promise in outcome.broken:
        sys.stdout.write(f"BROKEN: {promise}\n")
    return 1 if outcome.broken else 0


def run(scenario: Scenario, folder: Path, tell: Callable[[str], None]) -> Outcome:
    """Plays a scenario on brokers of its own."""
    with three_brokers(folder / "kafka") as brokers, Services() as services:
        return Stage(scenario, brokers.kafka, services, folder, brokers=brokers, tell=tell).play()


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--consumer-kills", type=int, default=20)
    parser.add_argument("--broker-kills", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=420.0, help="how long records flow")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="only print the faults that are tested, and where")
    parser.add_argument("--keep", help="an empty folder for logs and topics; else a temporary one")
    return parser


def table(outcome: Outcome) -> str:
    """The outcome in Markdown."""
    found, scenario = outcome.findings, outcome.scenario
    consumers = [each for each in outcome.done if each.startswith("consumer")]
    brokers = [each for each in outcome.done if each.startswith("broker")]
    fates = ", ".join(f"{count:,} {fate}" for fate, count in found.outcomes.items())
    rows = [
        ("records", f"{found.outcomes.total():,}: {fates}"),
        ("consumers killed", f"{len(consumers)}: {_kinds(consumers)}"),
        ("consumers that ended by themselves, and were started again", f"{len(outcome.fell)}"),
        ("brokers killed", f"{len(brokers)}: {_kinds(brokers)}"),
        ("of them", ", ".join(_roles(brokers))),
        ("lost", f"{found.lost}"),
        ("ended wrong", f"{found.wrong}"),
        ("repeated", f"{found.repeated:,}, at most {found.promise.repeats:,} (window x failures)"),
        ("events with more than one ruling once folded, or too mild a one", f"{found.contradicted}"),
        ("rulings published", f"{found.rulings:,} for {found.events:,} events"),
        ("commits seen, and past an unsettled record", f"{found.commits:,}, {found.committed_early}"),
        ("longest stall of a partition", f"{found.stall_s:.1f} s, at most {found.promise.stall_s:.0f} s"),
        ("resident memory of a member, at most", f"{outcome.most_resident / _MB:.0f} MB"),
        ("time", f"{outcome.took_s:.0f} s, seed {scenario.seed}"),
    ]  # fmt: skip
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _kinds(kills: Sequence[str]) -> str:
    hard = sum("SIGKILL" in kill for kill in kills)
    return f"{hard} hard (SIGKILL), {len(kills) - hard} clean (SIGTERM)"


def _roles(kills: Sequence[str]) -> list[str]:
    roles = [kill.split(", the ")[1].split(",")[0] for kill in kills]
    return [f"{roles.count(role)} {role}" for role in dict.fromkeys(roles)]


if __name__ == "__main__":
    sys.exit(main())
