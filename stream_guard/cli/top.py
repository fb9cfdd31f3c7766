"""`stream-guard top`: how running services are, live, from what they tell of themselves."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_guard.cli.interruptible import Inbox, Screen, signals_to, watch
from stream_guard.cli.streams import Streams

if TYPE_CHECKING:
    from stream_guard.cli.top_screen import News
    from stream_guard.watching.session import Plan

_DEFAULT = "http://127.0.0.1:9464"
_LEAST_S = 0.2
_PLAIN_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s?")
_MOST_LOOKS = 500
_INTERRUPTED = 128 + signal.SIGINT


def top(
    *,
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            "-u",
            metavar="URL",
            show_default=False,
            help=f"Where a service serves its metrics; may be repeated: replicas are summed. Without: {_DEFAULT}.",
        ),
    ] = None,
    every: Annotated[str, typer.Option("--every", help="How often to look.", metavar="TIME")] = "2s",
    window: Annotated[
        str, typer.Option("--window", help="Over which time rates and latencies are measured.", metavar="TIME")
    ] = "30s",
    once: Annotated[bool, typer.Option("--once", help="Look twice, write the view, and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a look.")] = False,
) -> None:
    """Show how running services are: rates, lag, latencies, decisions, dead letters, the engine.

    Only /metrics and /ready are read, so a port-forward to each pod is enough: kubectl -n guard port-forward
    deployment/guard-stream-guard 9464. Where stdout is no terminal it writes a line a look. Press q or Ctrl-C to end.

    Exit codes: 0 done, or ended from the keyboard; 1 unexpected; 2 the command line is wrong; 3 no service answers the first look
    (with --once: either look); 130 --once was interrupted.
    """
    plan = _plan(url or [_DEFAULT], every, window, once=once)
    inbox: Inbox[News] = Inbox()
    with signals_to(inbox):
        code = watch(_work(plan), _screen(inbox, plan, every, window, as_json=json), inbox)
    raise typer.Exit(0 if code == _INTERRUPTED and not once else code)


def _work(plan: Plan) -> Callable[[Callable[[News], None]], Coroutine[Any, Any, None]]:
    async def work(tell: Callable[[News], None]) -> None:
        from stream_guard.watching.session import run

        await run(plan, tell)

    return work


def _screen(inbox: Inbox[News], plan: Plan, every: str, window: str, *, as_json: bool) -> Screen[News]:
    from stream_guard.cli.console import console_on
    from stream_guard.cli.top_screen import JsonScreen, LineScreen, LiveScreen, TableScreen

    streams = Streams(sys.stdout, sys.stderr)
    if as_json:
        return JsonScreen(streams)
    if plan.once:
        return TableScreen(streams)
    console = console_on(streams.out)
    if not console.is_terminal or console.is_dumb_terminal:
        return LineScreen(streams)
    return LiveScreen(streams, inbox, f", every {every}", f"q ends · rates and latencies over {window}")


def _plan(urls: list[str], every: str, window: str, *, once: bool) -> Plan:
    from stream_guard.watching.session import Plan

    every_s, window_s = _seconds(every, "--every"), _seconds(window, "--window")
    if window_s > _MOST_LOOKS * every_s:
        raise typer.BadParameter(
            f"must be at most {_MOST_LOOKS} times --every: each look is kept", param_hint="--window"
        )
    return Plan(_addresses(urls), every_s, max(window_s, every_s), once)


def _addresses(urls: list[str]) -> tuple[str, ...]:
    from stream_guard.watching.addresses import address

    found: list[str] = []
    for url in urls:
        try:
            one = address(url)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--url") from None
        if one in found:
            raise typer.BadParameter(f"{one} is given twice: it would be counted twice", param_hint="--url")
        found.append(one)
    return tuple(found)


def _seconds(text: str, option: str) -> float:
    seconds = _duration(text, option)
    if seconds < _LEAST_S:
        raise typer.BadParameter(f"must be at least {_LEAST_S:g} s", param_hint=option)
    return seconds


def _duration(text: str, option: str) -> float:
    if (plain := _PLAIN_SECONDS.fullmatch(text.strip())) is not None:
        return float(plain[1])
    from stream_guard.config.quantities import parse_duration  # with it comes all that reads a configuration

    try:
        return float(str(parse_duration(text)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
