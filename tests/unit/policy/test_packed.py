"""Policies in one ask."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stream_guard.policy.document import Effort
from stream_guard.policy.packed import packed
from tests.prompts import make_policy

SPAM = make_policy()
HATE = replace(make_policy(version="v2"), id="hate")


def test_none_is_thought_about_less_than_alone() -> None:
    """One ask has one effort."""
    high = replace(HATE, effort=Effort.HIGH)
    assert packed([SPAM, HATE]).effort is Effort.LOW
    assert packed([SPAM, high]).effort is packed([high, SPAM]).effort is Effort.HIGH


def test_its_version_follows_from_the_policies_and_their_order() -> None:
    """The order is shown to the model."""
    pack = packed([SPAM, HATE])
    assert pack.id == "spam+hate"
    assert pack.version == packed([SPAM, HATE]).version
    others = [
        packed([HATE, SPAM]),
        packed([SPAM, replace(HATE, id="hatred")]),
        packed([make_policy(version="other"), HATE]),
        packed([SPAM, HATE, replace(SPAM, id="more")]),
    ]
    assert len({pack.version, SPAM.version, HATE.version, *(other.version for other in others)}) == 7


@pytest.mark.parametrize("few", [[], [SPAM]])
def test_one_policy_is_no_pack(few: list[object]) -> None:
    """It is asked about by itself."""
    with pytest.raises(ValueError, match="two policies"):
        packed(few)  # type: ignore[arg-type]  # lists are invariant
