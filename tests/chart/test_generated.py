from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from stream_guard import __version__
from tests.chart.generate import GENERATED
from tests.chart.value_tables import values
from tests.charts import CHART


@pytest.mark.parametrize("name", GENERATED)
def test_what_is_generated_is_up_to_date(name: str) -> None:
    """`python -m tests.chart.generate` would change nothing."""
    assert (CHART / name).read_text(encoding="utf-8") == GENERATED[name]()


def test_the_chart_installs_this_version() -> None:
    """Without a tag the image is that of the code beside it."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["appVersion"], chart["version"]) == (__version__, __version__)


def test_every_value_says_what_it_is_for() -> None:
    """README.md has no empty cell: what nobody explained nobody can choose."""
    assert [".".join(value.path) for value in values() if value.default is not None and not value.comment] == []


def test_the_schema_knows_every_default() -> None:
    """Whoever misspells a value hears of it: nothing passes that the chart does not have, at any depth of its own part."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(defaults)
    assert set(schema["properties"]) - {"global"} == set(defaults)


def test_the_schema_is_closed() -> None:
    """Every object that names its properties takes no others."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    open_ones = [where for where, node in _objects(schema, "") if node.get("additionalProperties") is not False]
    # The engine: its settings are those of its kind, and each kind is closed.
    assert {where.split("/engine", 1)[0] for where in open_ones} == {"/$defs/config/properties"}


def _objects(node: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from _objects(each, f"{where}/{index}")
    elif isinstance(node, dict):
        if isinstance(node.get("properties"), dict) or "patternProperties" in node:
            yield where, node
        for key, each in node.items():
            yield from _objects(each, f"{where}/{key}")
