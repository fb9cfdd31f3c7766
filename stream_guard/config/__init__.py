"""Configuration: one YAML file and environment variables over it, checked as a whole before anything starts."""

from __future__ import annotations

from stream_guard.config.binding import build_routes, own_topics
from stream_guard.config.judge import JudgeSettings
from stream_guard.config.kafka import revealed
from stream_guard.config.load import load_config, load_judge
from stream_guard.config.settings import Settings

__all__ = ["JudgeSettings", "Settings", "build_routes", "load_config", "load_judge", "own_topics", "revealed"]
