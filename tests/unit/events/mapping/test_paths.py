from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from stream_guard.events.mapping.paths import Path

DOCUMENT = {
    "text": "hello",
    "nothing": None,
    "user": {"name": "ann", "tags": ["a", "b"]},
    "items": [{"type": "text", "n": 1}, {"type": "image", "n": 2}, {"type": "text", "n": None}, 7, True],
    "nested": {"text": "inner", "more": [{"text": "innermost"}]},
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$", DOCUMENT),
        ("$.text", "hello"),
        ("$['text']", "hello"),
        ("$.nothing", None),
        ("$.absent", None),
        ("$.text.name", None),
        ("$.user.name", "ann"),
        ("$.user.absent", None),
        ("$.items.name", None),
        ("$.items[1].n", 2),
        ("$.items[-1]", True),
        ("$.items[9]", None),
        ("$.items[-9]", None),
        ("$.user[0]", None),
        ("$.text[0]", None),
        ("$.items[3][0]", None),
    ],
)
def test_a_singular_path_finds_its_value(text: str, found: object) -> None:
    """Keys and indices lead to one value or, where they lead nowhere or to a null, to None."""
    path = Path(text)
    assert path.singular
    assert path.find is not None
    assert path.find(DOCUMENT, DOCUMENT) == found
    assert path.values(DOCUMENT) == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$.items[*].type", ["text", "image", "text"]),
        ("$.items[*].n", [1, 2]),
        ("$.user.*", ["ann", ["a", "b"]]),
        ("$.text.*", []),
        ("$['text', 'nothing', 'absent']", ["hello"]),
        ("$.items[0, -1]", [{"type": "text", "n": 1}, True]),
        ("$.items[1:3].type", ["image", "text"]),
        ("$.items[::-1].type", ["text", "image", "text"]),
        ("$.items[::0]", []),
        ("$.text[0:1]", []),
        ("$..text", ["hello", "inner", "innermost"]),
        ("$.items[?@.type == 'text'].n", [1]),
        ("$.items[?@.type != 'text'].n", [2]),
        ("$.items[?@.n >= 2].type", ["image"]),
        ("$.items[?@.n < 2].type", ["text"]),
        ("$.items[?@.n == null].type", ["text"]),
        ("$.items[?!@.n]", [7, True]),
        ("$.items[?@ == true]", [True]),
        ("$.items[?@ > 1]", [7]),
        ("$.items[?@ <= 7]", [7]),
        ("$.items[?@.n && @.type == 'image'].n", [2]),
        ("$.items[?@.n == 1 || @.n == 2].n", [1, 2]),
        ("$[?length(@) == 5]", ["hello", DOCUMENT["items"]]),
        ("$[?count(@.*) == 2].name", ["ann"]),
        ("$[?value(@.more[*].text) == 'innermost'].text", ["inner"]),
        ("$.items[?@.type == $.items[1].type].n", [2]),
        ("$[?@[?@.n == 2]][0].n", [1]),
    ],
)
def test_a_path_finds_all_its_values(text: str, found: list[object]) -> None:
    """Whatever a path may ask for is found in the order of the document, without nulls."""
    path = Path(text)
    assert not path.singular
    assert path.values(DOCUMENT) == found


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "a path starts with $"),
        ("body", "a path starts with $"),
        ("$.a[", "$.a[ is no path: unbalanced brackets at character 5"),
        ("$.a b", "$.a b is no path: expected '.', '..' or a bracketed selection, found 'b' at character 5"),
        ("$[?f(@)]", "$[?f(@)] is no path: function 'f' is not defined at character 4"),
        ("$..a..b", "a path may have `..` once: with more its time is not bounded (at character 5)"),
        ("$[?@..a]", "a filter may not have `..`: its time is not bounded (at character 4)"),
        ("$[?match(@, 'a')]", "match() is not taken: put `matches` into the shape's `when` (at character 4)"),
        ("$[?!(@.a && search(@, 'a'))]", "search() is not taken: put `matches` into the shape's `when`"),
        ("$[?@[?search(@, 'a')]]", "search() is not taken"),
        ("$[?$.a == $.b]", "this compares nothing of the element (at character 8)"),
        ("$[?@.a && $.b[*]]", "in a filter, a path from $ must lead to one value (at character 11)"),
        ("$[*,*][*,*][*,*][*,*][*,*]", "a path may have at most 16 branches"),
        ("$[?@[*,*][*,*][*,*][*,*][*,*]]", "a path may have at most 16 branches"),
        ("$" + ".a" * 200, "a path may have at most 256 characters"),
    ],
)
def test_a_wrong_path_is_refused(text: str, finding: str) -> None:
    """What is no path, or can't be walked in linear time, is said with its character."""
    with pytest.raises(ValueError, match=r".") as raised:
        Path(text)
    assert finding in str(raised.value)


def test_a_path_may_nest_as_deep_as_it_may_be_long() -> None:
    """The longest nest of parentheses is compiled, or refused like anything else that is wrong."""
    deep = f"$[?{'(' * 120}@.a{')' * 120}]"
    assert Path(deep).values([{"a": 1}, {}]) == [{"a": 1}]


def test_a_path_beyond_the_stack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library's parser runs out of stack, that is one more finding."""

    def compile_path(text: str) -> None:
        raise RecursionError(text)

    monkeypatch.setattr("jsonpath_rfc9535.compile", compile_path)
    with pytest.raises(ValueError, match=r"^this path nests too deep"):
        Path("$.a")


def test_paths_are_compared_by_what_is_written() -> None:
    """Two paths of one text are one path, whoever compiled them."""
    assert Path("$.a") == Path("$.a")
    assert len({Path("$.a"), Path("$.a"), Path("$.b")}) == 2
    assert Path("$.a") != "$.a"
    assert repr(Path("$.a")) == "Path('$.a')"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([{}] * 330_000, id="a flat array"),
        pytest.param([[[[[[[[[]]]]]]]] * 18] * 3_000, id="a bush"),
        pytest.param([{"a": [{"a": 1}] * 10}] * 12_000, id="objects"),
    ],
)
@pytest.mark.parametrize(
    "text",
    ["$..a", "$..[*]", "$[*][*]", "$[?@.a == 1]", "$[?@[?@.a]]", "$..[?@.a == $[0].a]", "$[?count(@[*]) > 3]"],
)
def test_a_megabyte_is_walked_in_bounded_time(document: Any, text: str) -> None:
    """A hostile document costs time in proportion to its size (0.2 s a megabyte on the author's machine), not more."""
    path = Path(text)
    start = perf_counter()
    path.values(document)
    assert perf_counter() - start < 5


@pytest.mark.parametrize("text", ["$[?(@.a==1)==true]", "$[?@.a==1e999]"])
def test_a_comparison_that_has_no_meaning_is_a_finding(text: str) -> None:
    """Whatever the library makes of it, the operator hears that the path is wrong."""
    with pytest.raises(ValueError, match=r"\$|path"):
        Path(text)
