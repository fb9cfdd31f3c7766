"""What all tests share: the fixtures of the real parts, the order of tests, and what CI requires."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

from tests.real_parts import REAL_PARTS, WITHOUT, RequiredRealParts, excused

_FIXTURES = ("kafka", "secured", "registry", "vllm", "service", "kubernetes", "prometheus")
pytest_plugins = ["pytester", *(name for each in _FIXTURES if find_spec(name := f"tests.fixtures_{each}"))]

# The clock of a shared machine proves nothing about a property.
settings.register_profile("stream_guard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stream_guard")


def pytest_configure(config: pytest.Config) -> None:
    """Requires the real parts in CI; of a run on several processes, the one that leads counts."""
    if os.environ.get("CI", "").lower() in ("1", "true") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(RequiredRealParts(excused(os.environ.get(WITHOUT, ""))), "required-real-parts")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Cheap tests first, those of one real part next to each other: brokers and engines start once, and late.

    On several processes all of one group run on one of them: the brokers and the engine start once, and engines don't compete.
    """
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    yield
    items.sort(key=_cost)


def _group(item: pytest.Item) -> str:
    """Whose process a test belongs to; empty where any will do. Those with brokers of their own leave the common one to others."""
    marks = [mark for mark in REAL_PARTS if item.get_closest_marker(mark)]
    for own in ("node", "image", "vllm", "kubernetes"):
        if own in marks:
            return own
    if "faults" in item.path.parts:
        return "faults" if marks else ""
    return "secured" if "secured_kafka" in getattr(item, "fixturenames", ()) else "kafka" if marks else ""


def _cost(item: pytest.Item) -> int:
    if _group(item) == "node":  # its broker is its own
        return 1 << REAL_PARTS.index("node")
    return sum(1 << weight for weight, mark in enumerate(REAL_PARTS) if item.get_closest_marker(mark))
