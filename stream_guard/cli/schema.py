"""`stream-guard schema`: what we read and what we publish, for machines."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from stream_guard import __version__
from stream_guard.cli.output import print_json


class Schema(StrEnum):
    """What can be printed."""

    EVENT = "event"
    VERDICT = "verdict"
    RULING = "ruling"
    RATIONALE = "rationale"
    DEAD_LETTER = "dead-letter"
    ASYNCAPI = "asyncapi"
    CONFIG = "config"
    PROFILE = "profile"


_MAKERS: Mapping[Schema, tuple[str, str]] = {
    Schema.EVENT: ("stream_guard.events.schema", "event_schema"),
    Schema.VERDICT: ("stream_guard.verdicts.schemas", "verdict_schema"),
    Schema.RULING: ("stream_guard.verdicts.schemas", "ruling_schema"),
    Schema.RATIONALE: ("stream_guard.verdicts.schemas", "rationale_schema"),
    Schema.DEAD_LETTER: ("stream_guard.verdicts.schemas", "dead_letter_schema"),
    Schema.CONFIG: ("stream_guard.config.schema", "config_schema"),
    Schema.PROFILE: ("stream_guard.config.profile", "profile_schema"),
}


def schema(
    name: Annotated[
        Schema, typer.Argument(help=f"Which one: {', '.join(Schema)}.", metavar="NAME", show_default=False)
    ],
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="asyncapi: take the topics from this configuration.", metavar="FILE"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write errors as JSON too; the schema always is.")] = False,
) -> None:
    """Print a JSON Schema (draft 2020-12), or the AsyncAPI document of all our topics.

    Exit codes: 0 printed, 1 unexpected, 2 no such schema or wrong configuration.
    """
    del json  # read by `Commands`
    if name is Schema.ASYNCAPI:
        print_json(_asyncapi(config))
        return
    module, maker = _MAKERS[name]
    make = cast("Callable[[], dict[str, Any]]", getattr(import_module(module), maker))
    print_json(make())


def _asyncapi(config: Path | None) -> dict[str, Any]:
    from stream_guard.verdicts.asyncapi import Topics, asyncapi_document

    if config is None:
        return asyncapi_document(Topics(), __version__)
    from stream_guard.config import load_config

    outputs = [route.outputs for route in load_config(config, os.environ).routes]
    topics = Topics(
        verdicts=tuple(o.verdicts for o in outputs),
        rulings=tuple(o.rulings for o in outputs),
        rationale=tuple(o.rationale for o in outputs if o.rationale is not None),
        dead_letters=tuple(o.dead_letters for o in outputs),
    )
    return asyncapi_document(topics, __version__)
