"""The rows of a file of JSON lines, put into a topic as they are and read by field mapping: in which outcome each ended.

    python -m loadtest.rows FILE --read '{mapping: [{message: {text: $.text, id: $.id}}]}' [--judge message] [--rows 100]

`--read` is a route's `read:` section, in YAML. Starts a real broker (or uses the one that STREAM_GUARD_TEST_BOOTSTRAP
names) and runs the service, as a process, with the scripted engine or the small model until every row is committed. Prints
a Markdown table and ends with 1 where a row ended in no outcome, or in more than one. Prints no content.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from loadtest.broker import broker
from tests.published import Place, Published, read_published
from tests.service import Flow, Services, make_flow

_ENGINES = {"scripted": {"kind": "scripted", "violation_share": 0.2}, "small": {"kind": "vllm", "model": "small"}}
_PARTITIONS = 3
_LIMIT_S = 900.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs and prints. Returns the exit code."""
    chosen = _parser().parse_args(arguments)
    with broker() as kafka, tempfile.TemporaryDirectory(prefix="rows-") as folder, Services() as services:
        flow = make_flow(kafka, Path(folder), _PARTITIONS)
        with chosen.file.open("rb") as file:
            count = _fill(flow, islice(file, chosen.rows))
        route = {"read": yaml.safe_load(chosen.read), "judge": chosen.judge}
        settings: dict[str, Any] = {"engine": _ENGINES[chosen.engine], "route": route}
        service = services.start(flow.configuration(**settings))
        service.until(flow.done, _LIMIT_S)
        service.terminate()
        published = read_published(flow)
        places = [Place(partition, offset) for partition, end in flow.ends().items() for offset in range(end)]
    ends = [_outcomes(at, published) for at in places]
    print(_table(chosen.file.name, count, ends))
    return int(len(places) != count or any(len(outcomes) != 1 for outcomes in ends))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a file of JSON lines")
    parser.add_argument("--read", default="{}", metavar="YAML", help="a route's read section")
    parser.add_argument(
        "--judge", nargs="+", default=["message"], metavar="VIEW", help="message, last_turn, chat, completion"
    )
    parser.add_argument("--rows", type=int, default=100, metavar="N", help="how many rows (%(default)s)")
    parser.add_argument("--engine", choices=sorted(_ENGINES), default="scripted", help="who judges (%(default)s)")
    return parser


def _fill(flow: Flow, lines: Iterable[bytes]) -> int:
    rows = [line.rstrip(b"\n") for line in lines]
    for partition in range(_PARTITIONS):
        flow.kafka.send(flow.source, rows[partition::_PARTITIONS], partition)
    return len(rows)


def _outcomes(at: Place, published: Published) -> list[str]:
    """In which outcomes a record ended: one, or something is wrong. No ruling at all means that it was ignored."""
    found = []
    verdicts, rulings, letters = published.verdicts.get(at), published.rulings.get(at), published.letters.get(at)
    if verdicts:
        reasons = {verdict.abstention.reason for verdict in verdicts if verdict.abstention is not None}
        found.append(f"judged, abstained: {', '.join(sorted(reasons))}" if reasons else "judged")
    if rulings and any(ruling.reason for ruling in rulings):
        found.append(f"dead-lettered: {rulings[0].reason}" if letters else "a ruling with a reason, and no dead letter")
    if verdicts and not rulings:
        found.append("verdicts without a ruling")
    return found or ["ignored"]


def _table(name: str, count: int, ends: Sequence[Sequence[str]]) -> str:
    counted = Counter(" and ".join(outcomes) for outcomes in ends)
    lines = [f"| {outcome} | {number} |" for outcome, number in counted.most_common()]
    return "\n".join(
        [f"{name}: {count} rows, {len(ends)} records", "", "| outcome | records |", "|---|---|", *lines, ""]
    )


if __name__ == "__main__":
    sys.exit(main())
