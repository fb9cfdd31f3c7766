from __future__ import annotations

import pytest

PLUGIN = """
import pytest
from tests.real_parts import RequiredRealParts

def pytest_configure(config):
    for mark in ("registry", "kubernetes", "kafka", "vllm"):
        config.addinivalue_line("markers", mark)
    config.pluginmanager.register(RequiredRealParts())
"""
ALL_RUN = """
import pytest

@pytest.mark.registry
def test_registry(): pass

@pytest.mark.kubernetes
def test_kubernetes(): pass

@pytest.mark.kafka
def test_kafka(): pass

@pytest.mark.vllm
def test_vllm(): pass
"""
ONE_SKIPPED = (
    ALL_RUN
    + """
@pytest.mark.kafka
def test_not_today(): pytest.skip("no broker")
"""
)
ONE_MISSING = "import pytest\n\n@pytest.mark.kafka\ndef test_kafka(): pass\n"
ONE_FAILS_TO_START = """
import pytest

@pytest.fixture
def engine(): pytest.skip("no engine")

@pytest.mark.kafka
def test_kafka(): pass

@pytest.mark.vllm
def test_vllm(engine): pass
"""
NO_GO = (
    ALL_RUN
    + """
@pytest.mark.kubernetes
def test_chart(): pytest.skip("no Go")
"""
)
UNMARKED_SKIP = ALL_RUN + "\ndef test_other(): pytest.skip('does not matter')\n"


@pytest.mark.parametrize(
    ("tests", "exit_code", "complaint"),
    [
        (ALL_RUN, 0, None),
        (UNMARKED_SKIP, 0, None),
        (ONE_SKIPPED, 1, "*skipped: *test_not_today"),
        (NO_GO, 1, "*skipped: *test_chart"),
        (ONE_MISSING, 1, "*no test marked vllm ran"),
        (ONE_FAILS_TO_START, 1, "*skipped: *test_vllm"),
        ("", 1, "*no test marked kafka ran"),
    ],
)
def test_a_run_without_the_real_parts_fails(
    pytester: pytest.Pytester, tests: str, exit_code: int, complaint: str | None
) -> None:
    """A broker or an engine that did not start can't look like a success."""
    pytester.makeconftest(PLUGIN)
    pytester.makepyfile(tests)
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio")
    assert result.ret == exit_code
    result.stdout.fnmatch_lines([complaint] if complaint else ["*passed*"])
