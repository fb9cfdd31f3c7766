"""docs/obfuscation.md: it names every kind there is, and shows a prompt as it is."""

from __future__ import annotations

import re
from pathlib import Path

from stream_guard.events.model import Message, View
from stream_guard.events.normalising import normalised
from stream_guard.events.obfuscation.kinds import Kind
from stream_guard.events.render import judged
from stream_guard.prompting.frame import frame

_TEXT = (Path(__file__).parents[2] / "docs" / "obfuscation.md").read_text(encoding="utf-8")


def test_every_kind_has_a_row() -> None:
    """In the order in which verdicts name them."""
    assert re.findall(r"^\| `obfuscation:(\w+)` \|", _TEXT, re.MULTILINE) == [str(kind) for kind in Kind]


def test_the_prompt_of_the_page_is_one() -> None:
    """Letter by letter."""
    (shown,) = re.findall(r"```text\n(.*?)\n```", _TEXT, re.DOTALL)
    written = shown.splitlines()[-1]
    assert frame(normalised(judged(Message(content=written), View.MESSAGE))) == shown
