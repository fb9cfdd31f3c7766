"""What is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_guard.config import Settings, load_config
from stream_guard.errors import ConfigError
from stream_guard.trial.terms import topic_of

OUTPUTS = {"verdicts": "guard.v", "rulings": "guard.r", "dead_letters": "guard.d"}


def make_settings(folder: Path, *topics: dict[str, str]) -> Settings:
    """Settings with a route for each of these."""
    (folder / "policies").mkdir(exist_ok=True)
    routes = [
        {"name": f"route-{n}", **topic, "judge": ["message"], "policies": ["spam"], "outputs": OUTPUTS}
        for n, topic in enumerate(topics)
    ]
    whole: dict[str, Any] = {
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "start": "earliest"},
        "engine": {"kind": "scripted"},
        "policies": ["policies"],
        "routes": routes,
    }
    path = folder / "guard.yaml"
    path.write_bytes(orjson.dumps(whole))
    return load_config(path, {})


def test_the_first_topic_that_a_route_names_is_tried(tmp_path: Path) -> None:
    """Unless another one is named; any that matches a pattern will do."""
    settings = make_settings(tmp_path, {"pattern": r"room\..*"}, {"topic": "chat.in"}, {"topic": "mail.in"})
    assert topic_of(settings, None) == "chat.in"
    assert topic_of(settings, "mail.in") == "mail.in"
    assert topic_of(settings, "room.7") == "room.7"


@pytest.mark.parametrize("named", ["other", "guard.v", "room"])
def test_a_topic_that_no_route_reads_is_refused_with_those_that_there_are(tmp_path: Path, named: str) -> None:
    """Our own output topics are read by no route, whatever a pattern says."""
    settings = make_settings(tmp_path, {"topic": "chat.in"}, {"pattern": r"room\..*|guard\..*"})
    with pytest.raises(ConfigError, match=rf"no route reads '{named}': the routes read chat\.in and what matches room"):
        topic_of(settings, named)


def test_patterns_alone_need_a_topic(tmp_path: Path) -> None:
    """Which of many topics is meant, nobody can guess."""
    settings = make_settings(tmp_path, {"pattern": r"room\..*"})
    with pytest.raises(ConfigError, match=r"--topic: is needed.*the routes read what matches room"):
        topic_of(settings, None)
