"""Writes what of the chart is generated: `python -m tests.chart.generate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.chart.value_schema import values_schema
from tests.chart.value_tables import readme
from tests.charts import CHART

GENERATED: Mapping[str, Callable[[], str]] = {"values.schema.json": values_schema, "README.md": readme}

if __name__ == "__main__":
    for name, make in GENERATED.items():
        (CHART / name).write_text(make(), encoding="utf-8")
