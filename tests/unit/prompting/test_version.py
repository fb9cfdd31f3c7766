from __future__ import annotations

from typing import Any

import pytest

from stream_guard.engines.port import LabelRead, TextRead, Turn
from stream_guard.events.model import View
from stream_guard.policy.document import Effort
from stream_guard.prompting.port import Between, HarmonyReading, LabelReading, Margins, Sampling, TextReading
from stream_guard.prompting.version import versioned_template
from tests.prompts import make_policy

BASE: dict[str, Any] = {
    "policy": make_policy(), "view": View.MESSAGE, "renderer": "r-1", "manifest": "m",
    "read": TextRead(9, (1,)), "reading": TextReading(), "prefix": (1, 2), "suffix": (3,), "turns": (),
}  # fmt: skip


def version(**changed: Any) -> str:
    """The prompt version of a template that differs from the base in `changed`."""
    arguments = BASE | changed
    return versioned_template(arguments.pop("policy"), arguments.pop("view"), **arguments).prompt_version


CHANGES: list[dict[str, Any]] = [
    {"policy": make_policy(version="v2")},
    {"policy": make_policy(effort=Effort.HIGH)},
    {"view": View.CHAT},
    {"renderer": "r-2"},
    {"manifest": "n"},
    {"read": TextRead(10, (1,))},
    {"read": TextRead(9, (1, 2))},
    {"read": LabelRead((1,))},
    {"reading": HarmonyReading()},
    {"reading": LabelReading(1, 2, 0.3)},
    {"reading": LabelReading(1, 2, 0.4)},
    {"reading": LabelReading(1, 2, 0.3, 0.6)},
    {"prefix": (1, 2, 3), "suffix": ()},
    {"prefix": (12,)},
    {"turns": (Turn("system", "policy"),)},
    {"reading": TextReading(Between(1, 2))},
    {"reading": TextReading(Between(1, 2, opened=True))},
    {"margins": Margins(" ", "")},
    {"margins": Margins("", " ")},
    {"sampling": Sampling(0.1, 0.7)},
    {"sampling": Sampling(0.0, 0.8)},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_part_counts(change: dict[str, Any]) -> None:
    """A change of anything the model is shown, or of how its reply is read, is another prompt version."""
    assert version(**change) != version()


def test_what_is_undone_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that hides something would be shown otherwise."""
    before = version()
    monkeypatch.setattr("stream_guard.prompting.version.UNDOING", "next")
    assert version() != before


def test_changes_never_collide() -> None:
    """No two of the changes give one version."""
    assert len({version(**change) for change in CHANGES}) == len(CHANGES)


def test_the_version_is_frozen() -> None:
    """The version of given parts never changes with the code: verdict ids hang on it."""
    assert version() == version()
    assert len(version()) == 32
