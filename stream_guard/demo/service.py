"""The service as the demo runs it: its settings, which elsewhere stand in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from stream_guard.config import Settings
from stream_guard.config.engine import SMALL_MODEL, ScriptedSettings, VllmSettings
from stream_guard.config.kafka import KafkaSettings
from stream_guard.config.route import OutputSettings, RouteSettings
from stream_guard.config.settings import TelemetrySettings
from stream_guard.demo.firehose import Kind
from stream_guard.engines.small_model import SMALL_MODEL as SMALL_MODEL_NAME
from stream_guard.events.model import View

EngineName: TypeAlias = Literal["vllm", "scripted"]

OUTPUTS = OutputSettings(verdicts="demo.verdicts", rulings="demo.rulings", dead_letters="demo.dead-letters")
"""Where results go."""


class _Input(NamedTuple):
    topic: str
    view: View
    policies: tuple[str, ...]


_INPUTS: dict[Kind, _Input] = {
    "message": _Input("demo.messages", View.MESSAGE, ("spam",)),
    "chat": _Input("demo.chats", View.CHAT, ("spam", "harassment")),
    "completion": _Input("demo.completions", View.COMPLETION, ("spam",)),
}
_VIOLATING = 0.4
"""The share of texts that the script finds violating: enough for every decision to occur."""


def topic_of(kind: Kind) -> str:
    """Where an event of a kind is sent; what is no event goes where messages go."""
    return _INPUTS["message" if kind == "bytes" else kind].topic


def topics() -> tuple[str, ...]:
    """All topics of the demo, inputs first."""
    return (*(given.topic for given in _INPUTS.values()), *outputs())


def outputs() -> tuple[str, ...]:
    """The topics that the service writes to."""
    return OUTPUTS.verdicts, OUTPUTS.rulings, OUTPUTS.dead_letters


def settings(bootstrap: str, engine: EngineName, policies: Path) -> Settings:
    """What `stream-guard run` would read from a file. No HTTP port is opened."""
    small = VllmSettings(kind="vllm", model=SMALL_MODEL, name=SMALL_MODEL_NAME)
    script = ScriptedSettings(kind="scripted", violation_share=_VIOLATING)
    return Settings(
        namespace="demo",
        kafka=KafkaSettings(bootstrap_servers=bootstrap, group="demo", start="earliest"),
        engine=small if engine == "vllm" else script,
        policies=(policies,),
        routes=tuple(
            RouteSettings(
                name=f"{kind}s", topic=given.topic, judge=(given.view,), policies=given.policies, outputs=OUTPUTS
            )
            for kind, given in _INPUTS.items()
        ),
        telemetry=TelemetrySettings(http_port=None),
    )
