"""How the configured engine is opened."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from stream_guard import judges
from stream_guard.config import load_config
from stream_guard.engines.openai import OpenAiSettings

CONFIG = """
kafka: {bootstrap_servers: "127.0.0.1:9092", group: guard, start: earliest}
engine: {kind: openai, base_url: "http://127.0.0.1:8000/v1", model: some, api: chat}
policies: [spam.md]
window: {asks: 300}
judging: {timeout: 90s}
routes:
  - name: all
    topic: messages
    judge: [message]
    policies: [spam]
    outputs: {verdicts: v, rulings: r, dead_letters: d}
"""


def test_no_open_ask_waits_for_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time runs from when it is open: behind a narrow door it would abstain without having been asked."""
    opened: list[OpenAiSettings] = []

    def openai_engine(settings: OpenAiSettings) -> nullcontext[None]:
        opened.append(settings)
        return nullcontext()

    monkeypatch.setattr(judges, "openai_engine", openai_engine)
    (tmp_path / "spam.md").touch()
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    judges.choose(load_config(tmp_path / "guard.yaml", {})).open()
    assert [(settings.max_connections, settings.request_timeout_s) for settings in opened] == [(300, 90.0)]
