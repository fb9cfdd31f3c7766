"""`stream-guard dlq`: what an operator does with dead letters."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from stream_guard.cli.configuration import DEFAULT_CONFIG, configured
from stream_guard.cli.interruptible import interruptibly
from stream_guard.cli.moments import moment_ms
from stream_guard.cli.output import ExitCode, reflowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_guard.config import Settings
    from stream_guard.dlq.reading import Standing
    from stream_guard.redrive.choice import Filter

_ABOUT = "List dead letters, look at one, have them judged again, delete them."
dlq = typer.Typer(no_args_is_help=True, help=_ABOUT)

_Config: TypeAlias = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")]
_Reasons: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--reason", help="Only those of this reason; may be repeated.", metavar="REASON", show_default=False),
]
_Topic: TypeAlias = Annotated[
    str | None, typer.Option("--topic", "-t", help="Only records of this topic.", show_default=False)
]
_Route: TypeAlias = Annotated[str | None, typer.Option("--route", help="Only those of this route.", show_default=False)]
_Policy: TypeAlias = Annotated[
    str | None, typer.Option("--policy", help="Only cases of this policy.", metavar="ID", show_default=False)
]
_Since: TypeAlias = Annotated[
    str | None,
    typer.Option("--since", help="Only what failed then or later: a time, or how long ago (2h).", metavar="TIME"),
]
_Until: TypeAlias = Annotated[
    str | None, typer.Option("--until", help="Only what failed before that.", metavar="TIME", show_default=False)
]
_Execute: TypeAlias = Annotated[bool, typer.Option("--execute", help="Do it. Without: only say what would be done.")]


@dlq.callback()
def _dlq() -> None:
    """List dead letters, look at one, have them judged again, delete them."""


def ls(
    *,
    config: _Config = DEFAULT_CONFIG,
    reason: _Reasons = None,
    topic: _Topic = None,
    route: _Route = None,
    policy: _Policy = None,
    since: _Since = None,
    until: _Until = None,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Rows at most: the newest.", metavar="N")] = 50,
    json: Annotated[
        bool, typer.Option("--json", help="Write a JSON object a dead letter, and the summary last.")
    ] = False,
) -> None:
    """List the dead letters that stand, and sum them up by reason. No content is shown.

    Of several with the same id, as a record that failed twice has them, the last one stands. No consumer group is joined.

    Exit codes: 0 listed, 1 unexpected, 2 wrong command line or configuration, 3 a topic can't be read, 130 interrupted.
    """
    settings = configured(config)
    meant = _filter(reason, topic, route, policy, since, until)
    standing = _read(settings, _topics(settings, route))
    from stream_guard.cli.dlq_screen import show_list

    show_list(standing, meant, last, as_json=json)
    raise typer.Exit(ExitCode.START_REFUSED if standing.unread else ExitCode.OK)


def show(
    name: Annotated[str, typer.Argument(help="Its id (or how that begins), or TOPIC:PARTITION:OFFSET of its record.")],
    *,
    config: _Config = DEFAULT_CONFIG,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the record's key, value and headers.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write a JSON object a dead letter.")] = False,
) -> None:
    """Show all that a dead letter says: where its record stood, why it failed, what was said of it so far.

    The record itself is masked without --reveal.

    Exit codes: 0 shown, 1 unexpected, 2 wrong command line or configuration, 3 no such dead letter or its topic can't be
    read, 130 interrupted.
    """
    settings = configured(config)
    from stream_guard.cli.dlq_letter import show_letters
    from stream_guard.cli.progress import waiting
    from stream_guard.dlq.reading import find

    _keep_quiet()
    topics = _topics(settings, None)
    found = interruptibly(lambda: find(settings, topics, name), waiting("reading dead letters"))
    show_letters(found, reveal=reveal, as_json=json)


def redrive(
    *,
    config: _Config = DEFAULT_CONFIG,
    reason: _Reasons = None,
    topic: _Topic = None,
    route: _Route = None,
    policy: _Policy = None,
    since: _Since = None,
    until: _Until = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0.001, help="Dead letters a second, at most.", metavar="N")
    ] = 100.0,
    execute: _Execute = False,
    json: Annotated[bool, typer.Option("--json", help="Write the outcome as one JSON object.")] = False,
) -> None:
    """Have dead letters judged again, once their cause is fixed: under today's policies, as the records that they were.

    Says what would go, and sends nothing without --execute. What was redriven redrive.max_hops times is left alone. A dead
    letter stays where it is: its verdict supersedes the abstention. To interrupt and to repeat is safe, as a record that is
    redriven twice has one ruling all the same.

    Exit codes: 0 done, 1 unexpected, 2 wrong command line or configuration, or no redrive topic, 3 a topic can't be read or
    written, or not all were written, 130 interrupted: what was written until then is judged.
    """
    settings = configured(config)
    from stream_guard.cli.dlq_redrive import show_plan, work_off
    from stream_guard.dlq.redriving import terms_of
    from stream_guard.redrive.choice import select

    terms = terms_of(settings)
    meant = _filter(reason, topic, route, policy, since, until)
    standing = _read(settings, _topics(settings, route))
    selected = select(standing.letters, meant, terms)
    if execute and selected.going:
        raise typer.Exit(work_off(settings, selected, standing, terms, rate, as_json=json))
    show_plan(selected, standing, terms, rate, as_json=json)
    raise typer.Exit(ExitCode.START_REFUSED if standing.unread else ExitCode.OK)


def purge(
    *,
    config: _Config = DEFAULT_CONFIG,
    before: Annotated[
        str | None,
        typer.Option("--before", help="What was written before: a time, or how long ago (7d).", metavar="TIME"),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All there is now.")] = False,
    route: _Route = None,
    execute: _Execute = False,
    json: Annotated[bool, typer.Option("--json", help="Write the outcome as one JSON object.")] = False,
) -> None:
    """Delete dead letters from the beginning of their topics on. What is deleted can't be had back, nor judged again.

    Says what would go, and deletes nothing without --execute.

    Exit codes: 0 done, 1 unexpected, 2 wrong command line or configuration, 3 a topic can't be purged (it is compacted, a
    right is missing), 130 interrupted.
    """
    if (before is None) != everything:
        raise typer.BadParameter("give either --before or --all", param_hint="--before")
    settings = configured(config)
    from stream_guard.cli.dlq_purge import purge as work

    raise typer.Exit(
        work(
            settings,
            _topics(settings, route),
            moment_ms(before, "--before", time.time()),
            execute=execute,
            as_json=json,
        )
    )


for _command in (ls, show, redrive, purge):
    dlq.command(_command.__name__, help=reflowed(_command))(_command)


def _filter(
    reason: list[str] | None,
    topic: str | None,
    route: str | None,
    policy: str | None,
    since: str | None,
    until: str | None,
) -> Filter:
    from stream_guard.redrive.choice import Filter

    now = time.time()
    return Filter(
        reasons=frozenset(reason or ()),
        topic=topic,
        route=route,
        policy=policy,
        since_ms=moment_ms(since, "--since", now),
        until_ms=moment_ms(until, "--until", now),
    )


def _topics(settings: Settings, route: str | None) -> tuple[str, ...]:
    from stream_guard.dlq.reading import topics_of

    return topics_of(settings, route)


def _read(settings: Settings, topics: Sequence[str]) -> Standing:
    from stream_guard.cli.progress import waiting
    from stream_guard.dlq.reading import read_letters

    _keep_quiet()
    return interruptibly(lambda: read_letters(settings, topics), waiting("reading dead letters"))


def _keep_quiet() -> None:
    """What the client has to say is in the errors."""
    import logging

    logging.getLogger("stream_guard").addHandler(logging.NullHandler())
