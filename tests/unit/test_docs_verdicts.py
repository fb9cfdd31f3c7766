"""The fold of docs/verdicts.md, as it stands there, against the vectors that ship."""

from __future__ import annotations

import itertools
import json
import re
import runpy
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
VECTORS: list[dict[str, Any]] = json.loads(
    resources.files("stream_guard.verdicts").joinpath("fold_vectors.json").read_text(encoding="utf-8")
)["vectors"]
_REVIEW = {"review", "quarantine"}
"""What counts as a review: the subscriber hands on a decision that it does not know."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the page's subscriber defines before it connects."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path_factory.mktemp("page") / "subscriber.py"
    path.write_text(str(code).partition("servers, topic =")[0], encoding="utf-8")
    return runpy.run_path(str(path))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_the_pages_fold_decides_and_leads_as_the_vectors_say(vector: dict[str, Any], page: dict[str, Any]) -> None:
    """In every order of the messages, whoever folds by the page gets the decision, the lead and the winners."""
    messages = [message for message in vector["messages"] if message["lane"] == vector["lane"]]
    expected = vector["expect"]
    for order in itertools.islice(itertools.permutations(messages), 200):
        slots: dict[str, dict[str, Any]] = {}
        lead = page["NOTHING"]
        for message in (*order, *order):
            lead = page["fold"](slots, message)
        assert {slot: entry["verdict_id"] for slot, entry in slots.items()} == expected["slots"]
        assert lead["policy_id"] == expected["lead"]
        assert lead["decision"] in (_REVIEW if expected["decision"] == "review" else {expected["decision"]})


def test_the_page_says_who_leads_without_entries(page: dict[str, Any]) -> None:
    """Nobody, and a review."""
    assert page["fold"]({}, {"entries": []}) == {"decision": "review", "policy_id": None}
