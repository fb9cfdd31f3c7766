"""What all tests share: the fixtures of the real parts, the order of tests, and what CI requires."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

from tests.real_parts import REAL_PARTS, RequiredRealParts

pytest_plugins = [
    "pytester",
    *(name for name in ("tests.fixtures_kafka", "tests.fixtures_vllm", "tests.fixtures_service") if find_spec(name)),
]

# The clock of a shared machine proves nothing about a property.
settings.register_profile("stream_guard", deadline=None)
settings.load_profile("stream_guard")


def pytest_configure(config: pytest.Config) -> None:
    """Requires the real parts in CI."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        config.pluginmanager.register(RequiredRealParts(), "required-real-parts")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap tests first, those of one real part next to each other: brokers and engines start once, and late."""
    items.sort(key=_cost)


def _cost(item: pytest.Item) -> int:
    return sum(2**weight for weight, mark in enumerate(REAL_PARTS) if item.get_closest_marker(mark))
