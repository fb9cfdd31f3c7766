"""`stream-guard run`: the service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def run(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE", show_default=False)
    ],
    *,
    attach: Annotated[
        bool,
        typer.Option(
            "--attach", help="Let a group without offsets begin at the end, where `kafka.start` is latest; needed once."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write errors as one JSON object to stderr.")] = False,
) -> None:
    """Judge what comes in on the routes' topics until SIGTERM or SIGINT, then drain and leave the group.

    Policies and routes may change meanwhile: an edition that is right is taken over, one that is wrong is refused and told of.

    Exit codes: 0 drained, 1 unexpected, 2 wrong configuration, 3 refused to start, 70 a bug in stream-guard.
    """
    del json  # read by `Commands` before anything else can fail
    from stream_guard.config import load_config

    settings = load_config(config, os.environ)

    from stream_guard.app import run as serve  # after the check: it loads Kafka's and the engine's libraries
    from stream_guard.editions.loading import ConfigFile

    serve(settings, attach=attach, file=ConfigFile(config, dict(os.environ)))
