"""Where dead letters go to be judged again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stream_guard.config.kafka import Topic
from stream_guard.config.model import Model


class RedriveSettings(Model):
    """The topic by which `stream-guard dlq redrive` has dead letters judged again."""

    topic: Topic
    """A topic of our own, which `run` reads beside the routes'. Whoever may write to it can have anything judged as anything:
    grant WRITE on it to operators alone."""
    max_hops: Annotated[int, Field(ge=1, le=100)] = 3
    """How often a dead letter is redriven, at most; one that failed after so many is left to an operator."""
