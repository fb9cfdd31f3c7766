"""The fixtures `registry` (a real one for the session), `way` (one to it that can be cut) and `stub`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.registry import Registry, Way, archive
from tests.stub_registry import StubRegistry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry, empty at first; tests use subjects of their own."""
    started = Registry(archive(), tmp_path_factory.mktemp("registry") / "registry.log")
    yield started
    started.stop()


@pytest.fixture
def way(registry: Registry) -> Iterator[Way]:
    """A way to the registry, of the test's own."""
    with Way(registry.port) as opened:
        yield opened


@pytest.fixture
def stub() -> Iterator[StubRegistry]:
    """A registry that answers as the test wants it."""
    with StubRegistry() as served:
        yield served
