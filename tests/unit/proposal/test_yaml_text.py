from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.config.document import parse_document
from stream_guard.proposal.yaml_text import block, commented, inline, items, scalar

printable = st.text().filter(lambda text: text.isprintable() and "${" not in text)


@given(printable)
def test_a_scalar_is_read_as_it_was(text: str) -> None:
    """Whatever stands in it."""
    assert yaml.safe_load(f"x: {scalar(text)}") == {"x": text}


@pytest.mark.parametrize(
    "text", ["null", "yes", "~", "1e5", "0x1F", "12", "", "- a", "#c", "a: b", "a #c", "${A}", "$${A}", "2026-01-01"]
)
def test_a_text_stays_a_text(text: str) -> None:
    """What YAML or a configuration would take for something else is quoted or escaped."""
    assert parse_document(f"x: {scalar(text)}\n", "file", {}).values == {"x": text}


def test_blocks_and_lists_are_read_as_they_were() -> None:
    """With comments, and however long."""
    value = {
        "a": {"b": "$.c['d e', 'f']", "g": [1, "x y"]},
        "h": {f"key-{n}": "a long value of many words" for n in range(9)},
    }
    lines = block(value, 2, {"b": "because # it is so", "a": "first"})
    assert yaml.safe_load("\n".join(["top:", *lines])) == {"top": value}
    assert yaml.safe_load("\n".join(["top:", *items([value, {"i": True}], 2, [{}, {}])])) == {
        "top": [value, {"i": True}]
    }


def test_comments_are_aligned() -> None:
    """Where there is room; a long line pushes its own."""
    assert commented("a: 1", "why").index("#") == commented("bcd: 12", "why").index("#") == 45
    assert commented("x" * 60, "why") == "x" * 60 + "  # why"
    assert commented("a: 1", "") == "a: 1"
    assert inline({"a": [True, None, "b c"]}) == '{a: [true, null, "b c"]}'
