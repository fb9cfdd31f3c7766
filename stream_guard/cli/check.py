"""`stream-guard check`: what is wrong with a configuration, before anything runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_guard.cli.configuration import DEFAULT_CONFIG, found
from stream_guard.cli.interruptible import interruptibly
from stream_guard.cli.output import ExitCode

if TYPE_CHECKING:
    from stream_guard.checkup.finding import Report
    from stream_guard.checkup.offline import Offline
    from stream_guard.checkup.question import Plan


def check(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")
    ] = DEFAULT_CONFIG,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the cluster, the schema registry and the engine, too. Changes nothing.")
    ] = False,
    replicas: Annotated[
        int | None, typer.Option("--replicas", min=1, help="live: how many replicas you plan.", metavar="N")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.001, help="live: cases that one replica judges in a second; `try` prints it."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write everything as one JSON object.")] = False,
) -> None:
    """Look for all that is wrong in a configuration, its policies and, with --live, in what they name.

    Findings go to stdout, each with what to do.

    Exit codes: 0 right (there may be warnings), 1 unexpected, 2 wrong configuration or policy, 3 a live check failed.
    """
    from stream_guard.checkup.offline import check_files
    from stream_guard.checkup.question import Plan
    from stream_guard.cli.check_screen import show

    offline = check_files(found(config), os.environ)
    asked = _live(offline, Plan(replicas, rate)) if live and offline.settings is not None else None
    report = offline.report if asked is None else offline.report + asked
    show(report, skipped=live and asked is None, as_json=json)
    raise typer.Exit(_code(offline.report, asked, strict=strict))


def _live(offline: Offline, plan: Plan) -> Report | None:
    import asyncio
    import time

    from stream_guard.checkup.live import check_live
    from stream_guard.cli.progress import waiting

    settings = offline.settings
    if settings is None:
        return None
    return interruptibly(
        lambda: asyncio.run(check_live(settings, offline.policies, plan, time.time())),
        waiting("asking the cluster and the engine"),
    )


def _code(files: Report, asked: Report | None, *, strict: bool) -> ExitCode:
    if _failed(files, strict=strict):
        return ExitCode.WRONG_CONFIG
    if asked is not None and _failed(asked, strict=strict):
        return ExitCode.START_REFUSED
    return ExitCode.OK


def _failed(report: Report, *, strict: bool) -> bool:
    from stream_guard.checkup.finding import Severity

    return bool(report.count(Severity.ERROR) or (strict and report.count(Severity.WARNING)))
