"""`stream-guard attach`: where a group begins, committed by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def attach(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE", show_default=False)
    ],
    *,
    json: Annotated[bool, typer.Option("--json", help="Write errors as one JSON object to stderr.")] = False,
) -> None:
    """Commit where a group without offsets begins (`kafka.start`, also where that is latest), and end: what `run --attach` does first.

    For an install that starts many replicas at once, none of which should ever skip anything by itself. Loads no model and reads
    no record; rights and output topics are checked as at a start. Offsets that a group has stay as they are.

    Exit codes: 0 attached, or attached before, 1 unexpected, 2 wrong configuration, 3 refused.
    """
    del json  # read by `Commands` before anything else can fail
    from stream_guard.config import load_config

    settings = load_config(config, os.environ)

    from stream_guard.app import attach_alone  # after the check: it loads Kafka's libraries

    attach_alone(settings)
