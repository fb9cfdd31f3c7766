"""`stream-guard demo`: the whole service on this machine, without a configuration, a broker or a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_guard.cli.interruptible import Inbox, Screen, signals_to, watch
from stream_guard.cli.scratch import scratch
from stream_guard.cli.streams import own_streams

if TYPE_CHECKING:
    from stream_guard.demo.session import News


class EngineChoice(StrEnum):
    """Who judges in the demo."""

    VLLM = "vllm"
    SCRIPTED = "scripted"


def demo(
    *,
    events: Annotated[
        int | None,
        typer.Option(
            "--events", "-n", min=1, help="How many events; beyond the last one they come again.", metavar="N"
        ),
    ] = None,
    engine: Annotated[
        EngineChoice, typer.Option("--engine", help="vllm: a small model on the CPU; scripted: no model.")
    ] = EngineChoice.VLLM,
    json: Annotated[bool, typer.Option("--json", help="Write the verdicts alone, one JSON object a line.")] = False,
) -> None:
    """Judge made-up messages, chats and completions on this machine: no configuration, no broker, no GPU.

    Loading the model takes a minute or two. The model is tiny and does not moderate: the demo shows the machinery.

    Exit codes: 0 done, 1 unexpected, 2 wrong command line, 3 vLLM or the model is missing, 130 interrupted.
    """
    began = time.monotonic()
    with scratch() as folder:
        code = _demo(events, engine, as_json=json, began=began, folder=folder)
    raise typer.Exit(code)


def _demo(events: int | None, engine: EngineChoice, *, as_json: bool, began: float, folder: Path) -> int:
    inbox: Inbox[News] = Inbox()
    with signals_to(inbox):
        from stream_guard.cli.demo_screen import JsonScreen, TableScreen
        from stream_guard.demo.session import Plan, run

        async def work(tell: Callable[[News], None]) -> None:
            from stream_guard.telemetry.logs import configure_logging

            configure_logging()
            await run(Plan(engine.value, events, asks_examples, began), tell)

        with own_streams(folder / "log") as streams:
            screen: Screen[News] = (
                JsonScreen(streams) if as_json else TableScreen(streams, scripted=engine is EngineChoice.SCRIPTED)
            )
            asks_examples = engine is EngineChoice.VLLM and not as_json
            return watch(work, screen, inbox, folder)
