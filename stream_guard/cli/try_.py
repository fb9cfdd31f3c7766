"""`stream-guard try`: the last records of a live topic, judged here and now; nothing is published or committed."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_guard.cli.configuration import DEFAULT_CONFIG, configured
from stream_guard.cli.interruptible import Inbox, signals_to, watch
from stream_guard.cli.scratch import scratch
from stream_guard.cli.streams import own_streams

if TYPE_CHECKING:
    from stream_guard.trial.news import News
    from stream_guard.trial.session import Plan

_MOST = 100_000


class EngineChoice(StrEnum):
    """Who judges instead of the configured engine."""

    SCRIPTED = "scripted"


def try_(
    *,
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")
    ] = DEFAULT_CONFIG,
    topic: Annotated[
        str | None,
        typer.Option("--topic", "-t", help="The topic. Without: the first that a route names.", show_default=False),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", "-n", min=1, max=_MOST, help="How many records, the newest.", metavar="N")
    ] = 200,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="FILE|ID",
            show_default=False,
            help="Judge under this policy instead of the routes' own; may be repeated.",
        ),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every record, those that are allowed too.")] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the beginning of each content.")] = False,
    rationale: Annotated[
        bool,
        typer.Option("--rationale", help="Show the model's reasons, where a policy asks for them. They may quote."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Write a JSON object a record, and the summary as the last line.")
    ] = False,
    engine: Annotated[
        EngineChoice | None,
        typer.Option("--engine", help="scripted: no model; a script draws the decisions.", show_default=False),
    ] = None,
    limit: Annotated[
        str, typer.Option("--limit", help="How long all of it may take, loading the model included.", metavar="TIME")
    ] = "30m",
) -> None:
    """Judge the last records of a topic, as the service would, and show what would come of it.

    No consumer group is joined, nothing is published and no offset is committed: reading the topic is the only right it
    needs. Contents are masked without --reveal. A record is named by its partition and offset.

    Exit codes: 0 done, whatever the verdicts; 1 unexpected; 2 the command line, the configuration or a policy is wrong; 3 the
    topic can't be read, the model can't be used, or --limit was over; 130 interrupted: what was judged is shown.
    """
    limit_s = _seconds(limit)
    settings = configured(config)
    from stream_guard.trial.session import Plan
    from stream_guard.trial.terms import policies_of, topic_of

    plan = Plan(
        settings=settings,
        topic=topic_of(settings, topic),
        last=last,
        policies=tuple(policy or ()),
        scripted=engine is EngineChoice.SCRIPTED,
        rationale=rationale,
        reveal=reveal,
        limit_s=limit_s,
    )
    policies_of(settings, plan.policies)  # what is wrong with a policy is said before anything is waited for
    with scratch() as folder:
        raise typer.Exit(_try(plan, folder, as_json=json, show_all=show_all))


def _try(plan: Plan, folder: Path, *, as_json: bool, show_all: bool) -> int:
    async def work(tell: Callable[[News], None]) -> None:
        from stream_guard.telemetry.logs import configure_logging
        from stream_guard.trial.session import run

        configure_logging()
        await run(plan, tell)

    inbox: Inbox[News] = Inbox()
    with signals_to(inbox):
        from stream_guard.cli.try_screen import JsonScreen, TableScreen

        with own_streams(folder / "log") as streams:
            screen = JsonScreen(streams) if as_json else TableScreen(streams, show_all=show_all)
            return watch(work, screen, inbox, folder)


def _seconds(text: str) -> float:
    from stream_guard.config.quantities import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--limit") from error
    if not isinstance(seconds, float) or seconds <= 0:
        raise typer.BadParameter("must be more than nothing", param_hint="--limit")
    return seconds
