"""docs/escalation.md: both configurations load and fit each other, and what the page names exists."""

from __future__ import annotations

import re
from pathlib import Path

import stream_guard
from stream_guard.config import build_routes, load_config
from stream_guard.events.outcome import RejectionReason
from stream_guard.judging.escalation import EscalationReason
from tests.cases import RENDERER
from tests.escalations import make_written_policy

ROOT = Path(stream_guard.__file__).parents[1]
_PLURALS = {"category": "categories", "policy": "policies"}
_TEXT = (ROOT / "docs" / "escalation.md").read_text(encoding="utf-8")
_EFFORT, _TOPIC, _BIG = re.findall(r"```yaml\n(.*?)```", _TEXT, re.DOTALL)
_POLICIES = {name: make_written_policy(name) for name in ("spam", "harassment")}


def test_the_configurations_of_the_page_load_and_fit(tmp_path: Path) -> None:
    """What the one writes the other reads; the second reads nothing else."""
    (tmp_path / "policies").mkdir()
    to_topic = _EFFORT[: _EFFORT.index("    escalate:")] + _TOPIC
    loaded = {}
    for name, text in (("effort", _EFFORT), ("topic", to_topic), ("big", _BIG)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        loaded[name] = load_config(path, {})
        build_routes(loaded[name], _POLICIES, RENDERER)
    written, read = loaded["topic"].routes[0].escalate, loaded["big"].escalation
    assert written is not None
    assert read is not None
    assert written.topic == read.topic
    assert loaded["topic"].kafka.group != loaded["big"].kafka.group
    assert not any(route.subscribe for route in loaded["big"].routes)


def test_every_trigger_of_the_code_is_in_the_table() -> None:
    """An operator can't use what nobody told them of."""
    triggers = re.findall(r"^\| `(\w+): ", _TEXT, re.MULTILINE)
    assert {_PLURALS.get(each, each.value) for each in EscalationReason} == set(triggers)


def test_every_name_of_the_page_exists() -> None:
    """Metrics, the log line, and the reasons of refusals."""
    known = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    metrics = set(re.findall(r"stream_guard_[a-z_]+", _TEXT))
    assert len(metrics) == 3
    assert all(f"`{metric}`" in known for metric in metrics)
    refusals = set(re.findall(r"`(policy_[a-z]+|[a-z]+_escalation|not_[a-z]+)`", _TEXT))
    assert refusals <= set(RejectionReason)
    assert len(refusals) == 5
    code = "".join(path.read_text(encoding="utf-8") for path in Path(stream_guard.__file__).parent.rglob("*.py"))
    assert '"escalation.refused"' in code
