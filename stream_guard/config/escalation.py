"""Which judgements are not the last word, who has it, and where escalated records come from."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stream_guard.config.kafka import Topic
from stream_guard.config.model import Model
from stream_guard.config.quantities import Seconds
from stream_guard.policy.document import Effort

AWAITED_S = 60.0
"""How long a provisional verdict awaits the same engine, where nothing is said: one ask may take so long."""


class TriggerSettings(Model):
    """Judgements for which any of these holds escalate. An abstention never does."""

    always: bool = False
    """Every judgement."""
    policies: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Every judgement under these policies: they are for the model that it goes to."""
    confidence: Literal["low", "medium", "high"] | None = None
    """Those of which the model states so much confidence, or less."""
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    """Those whose label has a lower probability, where that is read: of gpt-oss, and of models that answer in one word."""
    categories: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Those that name one of these categories: `SP3`, or `spam/SP3` where several policies have one of that id."""
    severity: Annotated[int, Field(ge=1, le=4)] | None = None
    """Those whose category has this severity, or more."""
    effort: Effort | None = None
    """Those under a policy that asks for so much effort, or more."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_dump(exclude_defaults=True):
            msg = "needs at least one of always, policies, confidence, probability, categories, severity and effort"
            raise ValueError(msg)
        return self


class EscalateSettings(Model):
    """Where such a judgement goes. Its verdict is provisional until the one that follows it, or until `final_by`."""

    when: TriggerSettings
    """Which judgements."""
    effort: Literal[Effort.MEDIUM, Effort.HIGH] | None = None
    """Ask this engine again, under the same policy, with so much effort. For models that take an effort."""
    topic: Topic | None = None
    """Or write it to this topic of ours, which the deployment of another model reads (its `escalation.topic`)."""
    final_by: Seconds | None = None
    """How long after it a provisional verdict stands for good, if nothing follows. Required with `topic`; with `effort`, 1m."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.effort is None) == (self.topic is None):
            msg = "needs either effort or topic"
            raise ValueError(msg)
        if self.topic is not None and self.final_by is None:
            msg = "needs final_by: an escalation that is lost must not leave anybody waiting"
            raise ValueError(msg)
        return self


class EscalationSettings(Model):
    """What other deployments escalate to this one."""

    topic: Topic
    """A topic of ours, which `run` reads beside the routes'. Whoever may write to it can have anything judged as anything: grant
    WRITE on it to the deployments alone that escalate, and READ to this one."""
