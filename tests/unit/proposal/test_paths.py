from __future__ import annotations

import jsonpath_rfc9535
import pytest

from stream_guard.proposal.paths import EVERY, Path, expressible, union, values_at, written

DOCUMENT = {"a": {"b c": [{"d": 1}, {"d": None}, 3]}, "it's \\ odd": "x"}


@pytest.mark.parametrize(
    ("path", "text", "values"),
    [
        ((), "$", [DOCUMENT]),
        (("a", "b c", EVERY, "d"), "$.a['b c'][*].d", [1, None]),
        (("a", "b c", 2), "$.a['b c'][2]", [3]),
        (("a", "b c", 7), "$.a['b c'][7]", []),
        (("it's \\ odd",), "$['it\\'s \\\\ odd']", ["x"]),
        (("a", EVERY), "$.a[*]", []),
        (("nothing", "here"), "$.nothing.here", []),
    ],
)
def test_a_path_is_written_as_the_library_reads_it(path: Path, text: str, values: list[object]) -> None:
    """What we find by a path, JSONPath finds by its text; `[*]` of ours is for arrays alone."""
    assert written(path) == text
    assert list(values_at(DOCUMENT, path)) == values
    if EVERY not in path[1:2]:
        assert [node.value for node in jsonpath_rfc9535.find(text, DOCUMENT)] == values


def test_a_union_finds_several_members() -> None:
    """Of one object, in their order."""
    text = union(("a",), "x y", "z")
    assert text == "$.a['x y', 'z']"
    assert [node.value for node in jsonpath_rfc9535.find(text, {"a": {"z": 1, "x y": 2}})] == [2, 1]


@pytest.mark.parametrize("name", ["", "a\nb", "\ud800", "x" * 200, "\u202e"])
def test_some_names_are_not_for_files(name: str) -> None:
    """What can't be read, what is too long, and what would turn the line around."""
    assert not expressible((name,))
    assert expressible(("größe", EVERY, 0, "it's"))
