"""The index of faults names tests that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.faults.index import FAULTS, listed

_TESTS = Path(__file__).parents[1]
_WITHOUT = "transactions"
"""The only one that waits for a feature."""


@pytest.mark.parametrize("name", sorted({test for fault in FAULTS for test in fault.tests}))
def test_each_test_that_is_named_exists(name: str) -> None:
    """Its file defines it; a case in brackets stands in that file, as written."""
    file, test = name.split("::")
    function, _, case = test.removesuffix("]").partition("[")
    source = (_TESTS / file).read_text(encoding="utf-8")
    defined = {
        node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert function in defined
    assert f'"{case}"' in source or not case


def test_all_thirty_are_there_and_one_waits() -> None:
    """No fault is without a test but that of a feature that does not exist."""
    assert len(FAULTS) == 30
    assert [fault.what.split(":")[0] for fault in FAULTS if not fault.tests] == [_WITHOUT]


def test_the_list_names_every_fault() -> None:
    """What `--list` prints."""
    assert all(fault.what in listed() for fault in FAULTS)
