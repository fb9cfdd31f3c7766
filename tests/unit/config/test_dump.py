from __future__ import annotations

from stream_guard.config.document import parse_document
from stream_guard.config.dump import Line, yaml_lines
from stream_guard.marked_yaml import Loc


def test_comments_stand_behind_values_and_above_items() -> None:
    """A list of mappings begins each item with its dash."""
    values = {"a": {"b.c": 1}, "list": [{"name": "x", "in": [{"y": True}]}, {"name": "z"}]}

    def above(loc: Loc) -> list[str]:
        return ["an item"] if loc[:1] == ("list",) and len(loc) == 2 else []

    lines = [str(line) for line in yaml_lines(values, lambda loc: "here" if loc == ("a", "b.c") else "", above)]
    assert lines == [
        "a:",
        "  b.c: 1  # here",
        "list:",
        "  # an item",
        "  - name: x",
        "    in:",
        "      - y: true",
        "  # an item",
        "  - name: z",
    ]


def test_short_lists_stand_on_one_line_and_long_ones_do_not() -> None:
    """So that a line fits a terminal."""
    assert [line.text for line in yaml_lines({"a": ["x", "y, z"], "b": []})] == ["a: [x, 'y, z']", "b: []"]
    assert [line.text for line in yaml_lines({"a": ["x" * 40, "y" * 40]})] == [
        "a:",
        f"  - {'x' * 40}",
        f"  - {'y' * 40}",
    ]


def test_a_line_of_comment_alone_has_no_gap() -> None:
    """An empty comment is none."""
    assert [str(Line("  ", "only this")), str(Line("a: 1")), str(Line("a: 1", "why"))] == [
        "  # only this",
        "a: 1",
        "a: 1  # why",
    ]


def test_references_are_written_so_that_they_stay_texts() -> None:
    """`${NAME}` in a resolved value is no reference any more."""
    (line,) = yaml_lines({"a": "${NAME} and $${"})
    assert parse_document(str(line), "file", {}).values == {"a": "${NAME} and $${"}
