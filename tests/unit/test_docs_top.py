"""`docs/top.md`: its picture is what the command draws, its exit codes and fields are the command's.

`python -m tests.unit.test_docs_top` prints the picture.
"""

from __future__ import annotations

import io
import json
import random
import re
from pathlib import Path

import msgspec
from rich.console import Console

from stream_guard.cli.top import top
from stream_guard.cli.top_flow import Trend
from stream_guard.cli.top_layout import Dashboard
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.scraping import Silence
from stream_guard.watching import looking
from stream_guard.watching.view import View
from tests.watched import BEGAN, make_answer, make_history, make_page, make_view

PAGE = (Path(__file__).parents[2] / "docs" / "top.md").read_text(encoding="utf-8")
_MORE = f"""\
{looking.INFO}{{engine="vllm",model="gpt-oss-safeguard-20b",version="0.1.0"}} 1
{looking.OLDEST_LETTER}{{topic="guard.dead-letters"}} 7380
""" + "".join(
    f'{looking.BACKLOG}{{topic="chat.messages",partition="{partition}"}} {waiting}\n'
    for partition, waiting in enumerate((12, 31, 3, 640))
)
_SECONDS = 30.0
_DECISIONS = {
    "spam": {"allow": 0.86, "flag": 0.11, "review": 0.03},
    "harassment": {"allow": 0.91, "review": 0.02, "block": 0.07},
}


def make_picture() -> View:
    """A service at work, with a partition that is halted, and a replica that is lost."""
    told, drawn = OtelTelemetry(), random.Random(7)
    told.metrics.engine_up.set((), 1)
    told.edition_in_force("3fa9c1d2e0b1a6d4")
    for partition, lag in enumerate((0.8, 1.4, 0.5, 94.0)):
        told.lag("chat.messages", partition, lag)
    told.halted("chat.messages", 3, "dead_letters_in_a_row")
    told.in_flight(records=46, bytes=0, tokens=61_400, asks=64)
    before = make_answer(make_page(told, BEGAN, _MORE), 0.0)
    _work(told, drawn, 1240)
    lost = make_history(Silence(_SECONDS - 12, "can't be reached: connection refused"))
    return make_view(make_history(before, make_answer(make_page(told, BEGAN, _MORE), _SECONDS)), lost, now=_SECONDS)


def _work(told: OtelTelemetry, drawn: random.Random, records: int) -> None:
    told.outcome("chat", "judged", "", records)
    told.outcome("chat", "ignored", "tombstone", 12)
    told.outcome("chat", "dead_lettered", "unmapped", 25)
    for _ in range(25):
        told.dead_letter("chat", "record", "unmapped")
    for _ in range(2):
        told.dead_letter("chat", "case", "unparseable")
    for policy, shares in _DECISIONS.items():
        for decision in drawn.choices([*shares], [*shares.values()], k=records):
            told.verdict(
                "chat", policy, decision, "unparseable" if decision == "review" and drawn.random() < 0.2 else ""
            )
            told.usage(policy, 1210, 1100, 42, 0.004)
    for decision in drawn.choices(["allow", "flag", "review", "block"], [0.8, 0.1, 0.04, 0.06], k=records):
        told.ruling("chat", decision)
    for _ in range(4):
        told.retry("spam", "unparseable")
    for stage, middle in (
        ("queue", 0.004),
        ("engine", 0.7),
        ("judge", 0.72),
        ("publish", 0.009),
        ("settle", 0.74),
        ("total", 0.9),
    ):
        for _ in range(records):
            told.latency(stage, drawn.lognormvariate(0, 0.5) * middle)


def picture() -> str:
    """What a terminal of 80 columns shows of it."""
    console = Console(file=io.StringIO(), width=80, height=27, color_system=None)
    rates = (29, 31, 30, 33, 38, 41, 44, 43, 42, 44, 46, 43, 41, 40, 41, 43, 42, 41)
    trend = Trend(tuple(map(float, rates)), tuple(float(second) for second in range(60, 96, 2)))
    with console.capture() as written:
        console.print(
            Dashboard(make_picture(), trend, every=", every 2s", footer="q ends · rates and latencies over 30s")
        )
    return "\n".join(line.rstrip() for line in written.get().splitlines())


def test_the_picture_of_the_page_is_what_is_drawn() -> None:
    """Line by line."""
    (shown,) = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert shown == picture()


def test_the_exit_codes_of_the_page_are_those_of_the_command() -> None:
    """Every code that the help names."""
    told = (top.__doc__ or "").partition("Exit codes: ")[2]
    codes = re.findall(r"(?:^|; )(\d+) ", " ".join(told.split()))
    assert codes == ["0", "1", "2", "3", "130"]
    for code in codes:
        assert f"| {code} |" in PAGE


def test_the_fields_of_the_page_are_fields() -> None:
    """Each path of the table for scripts leads somewhere."""
    paths = re.findall(r"^\| `\.([a-z_0-9.\[\]]+)` \|", PAGE, re.MULTILINE)
    assert len(paths) >= 8
    for path in paths:
        found = json.loads(msgspec.json.encode(make_picture()))
        for part in path.replace("[]", ".[]").split("."):
            found = next(iter(found), None) if part == "[]" else found[part]


if __name__ == "__main__":
    print(picture())  # noqa: T201 - it is for a terminal
