"""The page on failures: what it says an operator sees is there to be seen."""

from __future__ import annotations

import re
from pathlib import Path

import stream_guard
from stream_guard.delivery.halts import HaltReason
from stream_guard.events.outcome import RejectionReason
from stream_guard.judging.judgement import AbstentionReason

ROOT = Path(__file__).parents[2]
_TEXT = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
_CODE = "".join(path.read_text(encoding="utf-8") for path in Path(stream_guard.__file__).parent.rglob("*.py"))
_SETTINGS = {"kafka.instance_id", "kafka.rescue_memory"}


def test_every_log_line_of_the_page_exists() -> None:
    """An alert that is written by the page must find its line."""
    named = (
        set(re.findall(r"`((?:engine|kafka|registry|partition|isolation|rescue|journal)\.[a-z_]+)`", _TEXT)) - _SETTINGS
    )
    assert len(named) > 10
    assert [event for event in sorted(named) if f'"{event}"' not in _CODE] == []


def test_every_metric_of_the_page_exists() -> None:
    """As the page on telemetry has them."""
    known = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    named = set(re.findall(r"stream_guard_[a-z_]+", _TEXT))
    assert len(named) > 5
    assert [metric for metric in sorted(named) if f"`{metric}`" not in known] == []


def test_every_reason_of_the_page_exists() -> None:
    """Why a partition is halted, a record dead-lettered, a case abstains."""
    reasons = {*HaltReason, *RejectionReason, *AbstentionReason}
    named = set(re.findall(r"[Rr]easons? `([a-z_]+)`", _TEXT)) | set(re.findall(r"\(`([a-z_]+)`\)", _TEXT))
    assert len(named) > 5
    assert {each for each in named if not each.startswith("stream_guard_")} - reasons - {"dead_letters"} == set()
