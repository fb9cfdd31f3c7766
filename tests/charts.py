"""The chart: where it lies, and for which Helm it is."""

from __future__ import annotations

from pathlib import Path

CHART = Path(__file__).parents[1] / "helm" / "stream-guard"
MAJORS = (3, 4)
"""The major versions of Helm that it is for."""
