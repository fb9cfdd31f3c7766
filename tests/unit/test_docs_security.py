"""docs/kafka-security.md: what it shows can be loaded, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import stream_guard
from stream_guard.config import load_config
from tests.secured import Mechanism

_TEXT = (Path(stream_guard.__file__).parents[1] / "docs" / "kafka-security.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```yaml\n(.*?)```", _TEXT, re.DOTALL)
_REST = """\
engine: {kind: scripted}
policies: [policies]
routes:
  - {name: chat, topic: in, judge: [message], policies: [spam], outputs: {verdicts: v, rulings: r, dead_letters: d}}
"""


@pytest.mark.parametrize("block", _BLOCKS)
def test_a_block_of_the_page_is_a_configuration(block: str, tmp_path: Path) -> None:
    """With the secrets where it says; each block is complete in its section."""
    (tmp_path / "policies").mkdir()
    for name in re.findall(r"/run/secrets/kafka/(\S+)", block):
        (tmp_path / name).write_text("secret", encoding="utf-8")
    text = block.replace("/run/secrets/kafka", str(tmp_path)) + _REST
    (tmp_path / "guard.yaml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "guard.yaml", {}).kafka.bootstrap_servers == "kafka.example:9093"


def test_every_mechanism_has_its_block() -> None:
    """Mutual TLS is a protocol; SCRAM-SHA-256 is said to be the same as its longer sister."""
    shown = {mechanism for mechanism in Mechanism if any(f"sasl.mechanism: {mechanism}\n" in b for b in _BLOCKS)}
    assert shown == set(Mechanism) - {Mechanism.MTLS, Mechanism.SCRAM_256}
    assert any("ssl.certificate.location" in block for block in _BLOCKS)


def test_every_log_line_of_the_page_exists() -> None:
    """An alert that is written by the page must find its line."""
    code = "".join(path.read_text(encoding="utf-8") for path in Path(stream_guard.__file__).parent.rglob("*.py"))
    named = set(re.findall(r"`(kafka\.[a-z]+_?[a-z]+)`", _TEXT)) - {"kafka.client", "kafka.client_files"}
    assert {"kafka.not_written", "kafka.error", "kafka.credentials_changed"} <= named
    assert all(f'"{event}"' in code for event in named)
