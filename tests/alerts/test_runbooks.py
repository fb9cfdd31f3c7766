"""The runbooks: a page for every alert, of which every command, metric and log line exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import stream_guard
from stream_guard.delivery.halts import HaltReason
from stream_guard.events.outcome import RejectionReason
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.telemetry import names
from tests.alerts import rendered

PAGES = sorted(rendered.RUNBOOKS.glob("StreamGuard*.md"))
_CODE = "".join(path.read_text(encoding="utf-8") for path in Path(stream_guard.__file__).parent.rglob("*.py"))
_SETTINGS = {"kafka.group", "kafka.instance_id", "kafka.rescue_memory", "engine.kind", "engine.profile", "engine.health_timeout",
             "engine.max_num_seqs", "engine.max_model_len", "engine.gpu_memory_utilization"}  # fmt: skip
_EVENT = re.compile(r"\b((?:engine|kafka|registry|partition|edition|isolation|journal)\.[a-z_]+)\b")


@pytest.mark.kubernetes
def test_every_alert_has_a_page(kubernetes_tools: Path) -> None:
    """A page for each, named in its annotation and in the index; no page without an alert."""
    alerts = rendered.alerts(kubernetes_tools)
    pages = {page.stem for page in PAGES}
    assert pages == {rule["alert"] for rule in alerts}
    assert {rule["annotations"]["runbook_url"] for rule in alerts} == {f"docs/runbooks/{page}.md" for page in pages}
    index = (rendered.RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((StreamGuard\w+)\.md\)", index)) == pages


@pytest.mark.kubernetes
def test_a_page_and_the_index_name_the_severity(kubernetes_tools: Path) -> None:
    """Whoever is woken reads the same there."""
    severities: dict[str, set[str]] = {}
    for rule in rendered.alerts(kubernetes_tools):
        severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    index = (rendered.RUNBOOKS / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        head = page.read_text(encoding="utf-8").split("\n## ", maxsplit=1)[0]
        (told,) = re.findall(rf"\]\({page.stem}\.md\) \| ([a-z, ]+) \|", index)
        assert set(re.findall(r"\b(page|ticket)\b", head.lower())) == severities[page.stem] == set(told.split(", "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_to_do(page: Path) -> None:
    """The same parts in the same order."""
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall("(?m)^## (.+)$", text) == ["What it means", "Impact", "Diagnose", "Fix", "No action needed if"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_exists(page: Path) -> None:
    """Log lines, metrics and reasons: whoever looks for them finds them."""
    text = page.read_text(encoding="utf-8")
    events = set(_EVENT.findall(text)) - _SETTINGS
    assert [event for event in sorted(events) if f'"{event}"' not in _CODE] == []
    known = {metric.prometheus for metric in names.METRICS}
    read = {
        re.sub("_seconds_(bucket|count|sum)$", "_seconds", name)
        for name in re.findall(r"\b((?:stream_guard|messaging)_[a-z_]+)\b(?!\()", text)
        if name != "stream_guard_"
    }
    assert read <= known
    reasons = {*HaltReason, *RejectionReason, *AbstentionReason}
    assert set(re.findall(r"--reason (\w+)", text)) <= reasons
