"""`stream-guard top`: what a person, a pipe and a script see, and how wrong command lines end."""

from __future__ import annotations

import io
import json
import re
from functools import lru_cache
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from stream_guard.cli import cli
from stream_guard.cli.interruptible import Screen
from stream_guard.cli.streams import Streams
from stream_guard.cli.top_flow import Trend
from stream_guard.cli.top_layout import Dashboard, fit
from stream_guard.cli.top_screen import JsonScreen, LineScreen, TableScreen, Trends
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.scraping import Silence
from stream_guard.watching import looking
from stream_guard.watching.history import History
from stream_guard.watching.view import View
from tests.watched import make_answer, make_busy, make_history, make_page, make_view

_HOSTILE = "a\x1b[2Jb\nc"


def busy(told: OtelTelemetry | None = None, more: str = "") -> History:
    """A service at work, looked at twice."""
    told = make_busy(told=told)
    before = make_answer(make_page(told, more=more), 0.0)
    make_busy(20, told)
    return make_history(before, make_answer(make_page(told, more=more), 10.0))


@lru_cache
def everything() -> View:
    """Two services, one of them lost, and all that can be wrong with the other."""
    told = OtelTelemetry()
    for partition in range(40):
        told.lag("chat.in", partition, 0.1 * partition)
    for number in range(30):
        told.verdict("chat", f"policy-{number:02}", "allow", "")
        told.dead_letter("chat", "record", f"reason_{number}")
        told.halted("chat.in", number, "dead_letters_in_a_row")
    told.look("adverts", "settled")
    told.escalated("adverts", "low_confidence")
    told.engine_restart("died", "", 1)
    more = f"""\
{looking.BACKLOG}{{topic="chat.in",partition="39"}} 1204
{looking.OLDEST_LETTER}{{topic="letters"}} 7380
{looking.INFO}{{engine="vllm",model="gpt-oss-safeguard-20b",version="0.1.0"}} 1
"""
    lost = busy()
    lost.told(Silence(40.0, "can't be reached: connection refused"))
    return make_view(busy(told, more=more), lost)


def drawn(view: View, columns: int, rows: int | None = None, encoding: str = "utf-8") -> list[str]:
    """The lines of a view: on a screen of so many rows, or as many as it takes."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=columns, height=rows or 25, color_system=None, legacy_windows=False)
    trend = Trend(tuple(float(number) for number in range(100)), (1.0, None, 2.0))
    console.print(Dashboard(view, trend, every=", every 2s", footer="q ends" if rows else ""))
    out.flush()
    raw = out.buffer
    assert isinstance(raw, io.BytesIO)
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def seen(screen: Screen[Any], *news: Any) -> None:
    """Shows this on a screen."""
    with screen:
        for each in news:
            screen.show(each)


def written(screen: type[LineScreen], *views: View) -> list[str]:
    """The lines that a screen for no terminal writes of these views."""
    streams = Streams(io.StringIO(), io.StringIO())
    seen(screen(streams), *views)
    assert isinstance(streams.out, io.StringIO)
    assert isinstance(streams.err, io.StringIO)
    assert streams.err.getvalue() == ""
    return streams.out.getvalue().splitlines()


def run(*arguments: str) -> Result:
    """Runs the command line."""
    return CliRunner().invoke(cli, ["top", *arguments])


# -- the dashboard ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 76, 80, 110, 200])
@pytest.mark.parametrize("rows", [10, 24, 30, 80])
def test_a_view_fits_every_screen_wide_enough_to_read(columns: int, rows: int) -> None:
    """No line is wider than the terminal; where it is high enough, the view is exactly as high."""
    lines = drawn(everything(), columns, rows)
    assert max(map(len, lines)) <= columns
    if rows >= 30 and columns >= 76:
        assert len(lines) == rows
        assert lines[-1] == "q ends"


def test_the_usual_terminal_shows_all_that_matters() -> None:
    """80 by 24: every figure of a healthy service, no figure cut."""
    text = "\n".join(drawn(make_view(busy()), 80, 24))
    figures = re.sub(" +", " ", text)
    for shown in (
        "● ready", "edition 3fa9c1d2e0b1", "records 2.3/s", "0.10 ignored 0.20 dead-lettered", "verdicts 4.0/s retries 0.10/s",
        "tokens 400/s read 12.0/s written", "lag 4.2 s", "in flight 7 records 14 asks 1.4k tokens",
        "engine up 0 restarts 60% cached", "total 750 ms 975 ms 995 ms", "rulings 2.0 80% 0% 20%",
        "adverts 2.0 80% 20%", "insults 2.0 80% 0% 20% 0% 20%", "chat.in[1]", "not json",
        "unparseable (case)",
    ):  # fmt: skip
        assert shown in figures
    assert "…" not in text


def test_what_is_wrong_stands_first() -> None:
    """Below the title, the grave first, and how much more there is."""
    title, first, second, *_ = drawn(everything(), 100, 40)
    assert "1 of 2 ready" in title
    assert "gpt-oss-safeguard-20b on vllm" in title
    assert first == " ✗ 127.0.0.1:9465 can't be reached: connection refused"
    assert second == " ✗ chat.in[0] is halted: dead letters in a row"


def test_lists_that_are_cut_say_so() -> None:
    """Policies, services; what is furthest behind is cut by its name."""
    text = "\n".join(drawn(everything(), 80, 30))
    assert "more\n" in text
    assert "chat.in[39]" in text
    assert "oldest 2 h 3 min" in text


def test_a_view_without_a_screen_is_whole() -> None:
    """`--once` cuts no list."""
    text = "\n".join(drawn(everything(), 120))
    for number in range(30):
        assert f"policy-{number:02}" in text
        assert f"reason {number}" in text
    assert "more\n" not in text.partition("services")[2]
    assert "quick looks" in text
    assert "escalated" in text
    assert "1,204" in text


def test_what_nobody_tells_is_not_shown() -> None:
    """An older service has no backlog, a plain one no looks, a single one no list of services."""
    text = "\n".join(drawn(make_view(busy()), 120))
    for absent in ("backlog", "quick looks", "escalated", "services", "oldest"):
        assert absent not in text


def test_a_first_look_has_no_rates_yet() -> None:
    """They are unknown, not zero."""
    text = "\n".join(drawn(make_view(make_history(make_answer(make_page(make_busy())))), 80, 24))
    assert "records   -" in text
    assert "none" in text
    assert "lag       4.2 s" in text


def test_a_terminal_that_knows_ascii_alone_gets_ascii() -> None:
    """Marks and bars have plain forms; no character ends the command."""
    text = "\n".join(drawn(everything(), 80, 40, "ascii"))
    assert " x 127.0.0.1:9465" in text
    assert "####" in text


def test_names_of_others_move_no_cursor() -> None:
    """A label may hold anything."""
    told = OtelTelemetry()
    told.lag(_HOSTILE, 0, 1.0)
    told.metrics.verdicts.add(("r", _HOSTILE, "allow", ""))
    told.metrics.dead_letters.add(("r", "record", _HOSTILE))
    told.metrics.edition.set((_HOSTILE,), 1)
    told.metrics.halted.set((_HOSTILE, "0", _HOSTILE), 1)
    view = make_view(make_history(make_answer(make_page(told), reason=_HOSTILE, note=_HOSTILE)))
    text = "\n".join([*drawn(view, 120, 40), *written(LineScreen, view)])
    assert "\x1b" not in text
    assert "a?[2Jb?c" in text


@pytest.mark.parametrize(
    ("room", "wants", "given"),
    [
        (100, (2, 3, 4), [2, 3, 4, 91]), (9, (2, 3, 4), [2, 3, 4, 0]), (3, (5, 5, 5), [1, 1, 1, 0]), (2, (5, 5, 5), [1, 1, 0, 0]),
        (7, (1, 9, 9), [1, 3, 3, 0]), (0, (1, 1), [0, 0, 0]), (-5, (1, 1), [0, 0, 0]), (5, (0, 0), [0, 0, 5]),
    ],
)  # fmt: skip
def test_room_is_dealt_out_evenly(room: int, wants: tuple[int, ...], given: list[int]) -> None:
    """Who comes first is served first, and nobody gets more than there is to show."""
    assert fit(room, wants) == given


def test_lines_of_bars_begin_with_the_first_rate() -> None:
    """The first look has none, and later gaps stay."""
    trends = Trends()
    trends.add(make_view(make_history(make_answer(make_page(make_busy())))))
    lost = busy()
    trends.add(make_view(busy()))
    lost.told(Silence(20.0, "gone"))
    assert trends.add(make_view(lost)).records == (pytest.approx(2.3), None)


# -- where nothing moves ------------------------------------------------------------------------------------------------


def test_a_pipe_gets_a_line_a_look_and_what_changes() -> None:
    """What is wrong is told once, and once it is over."""
    well, lost = make_view(busy()), busy()
    lost.told(Silence(20.0, "can't be reached"))
    bad = make_view(lost)
    lines = written(LineScreen, well, bad, bad, well)
    assert [line.partition("  ")[2].split("  ")[0] for line in lines] == [
        "ready 1/1", "ready 0/1", "! 127.0.0.1:9464 can't be reached", "ready 0/1", "ready 1/1", "! all is well again",
    ]  # fmt: skip
    assert lines[0].startswith("2026-")
    for figure in (
        "records 2.3/s",
        "verdicts 4.0/s",
        "lag 4.2 s",
        "in flight 7",
        "p95 975 ms",
        "engine 1/1",
        "halted 0",
    ):
        assert f"  {figure}" in lines[0]


def test_a_script_gets_an_object_a_look() -> None:
    """One line each."""
    lines = written(JsonScreen, make_view(busy()), everything())
    first, second = map(json.loads, lines)
    assert first["records"]["by_outcome"]["judged"] == {"per_s": 2.0, "total": 30.0}
    assert [service["state"] for service in second["services"]] == ["ready", "silent"]
    assert second["troubles"][0] == {"what": "127.0.0.1:9465 can't be reached: connection refused", "grave": True}


def test_once_writes_a_plain_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colours, no cursor, no blanks at the ends of lines."""
    monkeypatch.setenv("COLUMNS", "100")
    lines = written(TableScreen, everything())
    assert lines[0].startswith("stream-guard top")
    assert all(line == line.rstrip() and "\x1b" not in line for line in lines)


# -- the command line ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--url", "nowhere:0"), "must be an address"),
        (("--url", "http://me:hunter2@localhost:9464"), "must not hold credentials"),
        (("--url", "localhost:9464", "--url", "http://localhost:9464/metrics"), "given twice"),
        (("--every", "soon"), "not a duration"),
        (("--every", "0.1s"), "at least 0.2 s"),
        (("--window", "0"), "at least 0.2 s"),
        (("--every", "1s", "--window", "1h"), "at most 500 times --every"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_asked(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and no secret is repeated."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "hunter2" not in done.stderr


def test_where_nobody_answers_it_ends_with_why_and_what_to_do() -> None:
    """Exit code 3; with --json an object."""
    done = run("--url", "127.0.0.1:1", "--once")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "http://127.0.0.1:1 can't be reached: connection refused" in done.stderr
    assert "kubectl port-forward" in done.stderr
    told = json.loads(run("--url", "127.0.0.1:1", "--json").stderr)
    assert told["error"]["code"] == 3
