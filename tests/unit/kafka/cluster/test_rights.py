"""Which rights are found missing, from what the cluster tells of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import pytest

from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.rights import missing_rights

ALL = frozenset({"READ", "WRITE", "DESCRIBE"})


class ScriptedAdmin:
    """Tells what it was given."""

    def __init__(self, topics: dict[str, frozenset[str] | None], group: frozenset[str] | None) -> None:
        """Keeps it."""
        self.topics, self.group = topics, group

    def operations(self, topics: Collection[str]) -> dict[str, frozenset[str] | None]:
        """Of each topic that is asked for."""
        return {topic: self.topics[topic] for topic in topics}

    def group_operations(self, _: str) -> frozenset[str] | None:
        """Of the group."""
        return self.group


@pytest.mark.parametrize(("told", "group", "expected"), [
    ((ALL, ALL), ALL, []),
    ((None, None), None, []),
    ((frozenset({"DESCRIBE"}), ALL), ALL, ["READ on topic 'in'"]),
    ((frozenset({"WRITE"}), frozenset({"READ"})), ALL, ["READ on topic 'in'", "WRITE on topic 'out'"]),
    ((ALL, frozenset()), frozenset(), ["WRITE on topic 'out'", "READ on consumer group 'g'"]),
])  # fmt: skip
def test_each_right_that_is_missing_is_named(
    told: tuple[Any, Any], group: frozenset[str] | None, expected: list[str]
) -> None:
    """All at once, so that the operator asks the cluster's owner once; what is not told is not missing."""
    admin = ScriptedAdmin({"in": told[0], "out": told[1]}, group)
    assert list(missing_rights(cast("Admin", admin), "g", ["in"], ["out"])) == expected
