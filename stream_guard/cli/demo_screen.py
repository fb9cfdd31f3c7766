"""What a person sees of the demo: a row a verdict, one line that moves, and a summary. Or verdicts as JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stream_guard.policy.document import Decision

if TYPE_CHECKING:
    pass

_STYLES: Mapping[str, str] = {
    Decision.ALLOW: "green",
    Decision.FLAG: "yellow",
    Decision.REVIEW: "magenta",
    Decision.BLOCK: "bold red",
}
_WIDTH = 110
"""Wider lines are harder to read."""
_INDENT = (0, 0, 0, 2)
