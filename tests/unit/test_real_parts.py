from __future__ import annotations

import pytest

from tests.real_parts import WITHOUT

PLUGIN = """
import os
import pytest
from tests.real_parts import REAL_PARTS, WITHOUT, RequiredRealParts, excused

def pytest_configure(config):
    for mark in REAL_PARTS:
        config.addinivalue_line("markers", mark)
    config.pluginmanager.register(RequiredRealParts(excused(os.environ.get(WITHOUT, ""))))
"""
NO_ROOT = """
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
ALL_RUN = (
    NO_ROOT
    + """
@pytest.mark.image
def test_image(): pass

@pytest.mark.node
@pytest.mark.kafka
def test_node(): pass
"""
)
NO_NODE = (
    NO_ROOT
    + """
@pytest.mark.image
def test_image(): pass

@pytest.mark.node
@pytest.mark.kafka
def test_node(): pytest.skip("no root")
"""
)
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
        (NO_ROOT, 1, "*no test marked image ran"),
        (NO_NODE, 1, "*skipped: *test_node"),
        (NO_GO, 1, "*skipped: *test_chart"),
        (ONE_MISSING, 1, "*no test marked vllm ran"),
        (ONE_FAILS_TO_START, 1, "*skipped: *test_vllm"),
        ("", 1, "*no test marked kafka ran"),
    ],
)
def test_a_run_without_the_real_parts_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tests: str, exit_code: int, complaint: str | None
) -> None:
    """A broker or an engine that did not start can't look like a success."""
    monkeypatch.delenv(WITHOUT, raising=False)
    result = run(pytester, tests)
    assert result.ret == exit_code
    result.stdout.fnmatch_lines([complaint] if complaint else ["*passed*"])


@pytest.mark.parametrize(
    ("without", "tests", "exit_code", "said"),
    [
        ("image,node", NO_ROOT, 0, "STREAM_GUARD_CI_WITHOUT: not required here: image, node"),
        ("node", NO_NODE, 0, "STREAM_GUARD_CI_WITHOUT: not required here: node"),
        ("image", NO_NODE, 1, "*skipped: *test_node"),
        ("image", NO_ROOT, 1, "*no test marked node ran"),
        ("image,node", ONE_MISSING, 1, "*no test marked vllm ran"),
    ],
)
def test_a_person_can_do_without_the_image_and_the_node(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, without: str, tests: str, exit_code: int, said: str
) -> None:
    """By saying so, and the run says it, too; all else is required as ever."""
    monkeypatch.setenv(WITHOUT, without)
    result = run(pytester, tests)
    assert result.ret == exit_code
    result.stdout.fnmatch_lines([said])


def test_nothing_else_can_be_left_out(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip in the variable is told: it must not do without more, or less, than was meant."""
    monkeypatch.setenv(WITHOUT, "kafka,nodes,image")
    result = run(pytester, ALL_RUN)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*kafka, nodes: only image and node can be left out"])


def run(pytester: pytest.Pytester, tests: str) -> pytest.RunResult:
    """A run of these tests where CI is set."""
    pytester.makeconftest(PLUGIN)
    pytester.makepyfile(tests)
    return pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio")
