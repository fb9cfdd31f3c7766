"""docs/models.md: its configurations load, its profiles are ones, and it names all that ship."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream_guard.config import load_config
from stream_guard.config.engine import VllmSettings
from stream_guard.config.profile import parse_profile
from stream_guard.config.profiles import shipped_profiles

_TEXT = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```yaml\n(.*?)```", _TEXT, re.DOTALL)
_PROFILES = re.findall(r"```yaml profile\n(.*?)```", _TEXT, re.DOTALL)
_REST = """\
kafka: {bootstrap_servers: "kafka.example:9093", start: earliest}
policies: [policies]
routes:
  - {name: chat, topic: in, judge: [message], policies: [spam], outputs: {verdicts: v, rulings: r, dead_letters: d}}
"""


@pytest.mark.parametrize("block", _BLOCKS)
def test_a_block_of_the_page_is_a_configuration(block: str, tmp_path: Path) -> None:
    """With the rest that every configuration has."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "guard.yaml").write_text(block + _REST, encoding="utf-8")
    settings = load_config(tmp_path / "guard.yaml", {})
    assert isinstance(settings.engine, VllmSettings)
    assert settings.window.asks >= min(settings.engine.max_num_seqs or 0, 1024)


@pytest.mark.parametrize("block", _PROFILES)
def test_a_profile_of_the_page_is_one(block: str) -> None:
    """An operator can begin with it as it stands."""
    assert parse_profile(block, "docs/models.md").name in ("own", "yes-no")


def test_every_shipped_profile_has_its_row() -> None:
    """And no other has."""
    assert set(re.findall(r"^\| \[`([a-z0-9-]+)`\]", _TEXT, re.MULTILINE)) == set(shipped_profiles())
    assert len(_PROFILES) == 2
