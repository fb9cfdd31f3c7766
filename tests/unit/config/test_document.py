from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_guard.config.document import parse_document, read_document
from stream_guard.errors import ConfigError
from stream_guard.marked_yaml import MAX_VALUES, Document


def parse(text: str) -> Document:
    """The document of a text in which NAME is set."""
    return parse_document(text, "f.yaml", {"NAME": "value"})


def error(text: str) -> str:
    """What is wrong with a text."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("true", True), ("012", "012"), ("0x1F", 31), ("0o17", 15), ("-1", -1), ("1_000", "1_000"), ("1:30", "1:30"),
        ("1e3", 1000.0), (".5", 0.5), ("2026-01-31", "2026-01-31"), ("~", None), ("", None), ("'1'", "1"), (".", "."),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    """No text turns into a boolean, a date or a number in base 60 by surprise."""
    assert parse(f"a: {text}").values["a"] == value


def test_a_place_is_that_of_a_scalar_or_of_a_collections_key() -> None:
    """What is unknown within is placed at the innermost known part."""
    document = parse("a:\n  b: [x, y]\n  c:\n    d: 1\n")
    assert [str(document.place(loc)) for loc in (("a",), ("a", "b"), ("a", "b", 1), ("a", "c", "d"), ("a", "tag", "c"))] == [
        "f.yaml:1:1", "f.yaml:2:3", "f.yaml:2:10", "f.yaml:4:8", "f.yaml:3:3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: a stands here already, at line 1"),
        ("a: [1", "f.yaml:1:6: expected ',' or ']'"),
        ("- a", "f.yaml:1:1: must be a mapping"),
        ("", "f.yaml:1:1: must be a mapping"),
        ("[a]: 1", "f.yaml:1:1: a key must be a text"),
        (
            "a: !!python/object/apply:os.getcwd []",
            "f.yaml:1:4: the tag tag:yaml.org,2002:python/object/apply:os.getcwd",
        ),
        ("a: !!binary aGk=", "f.yaml:1:4: the tag tag:yaml.org,2002:binary is not allowed"),
        ("a: !!int x", "f.yaml:1:4: does not fit its tag"),
        ("a: *b", "f.yaml:1:4: found undefined alias"),
        ("a: &a [*a]", "f.yaml:1:4: an alias must not stand within its own anchor"),
        ("<<: 1", "f.yaml:1:1: expected a mapping or list of mappings for merging"),
        ("a: 1\n---\nb: 1", "f.yaml:2:1: but found another document"),
        ("b: 1\na: \x07", "f.yaml:2:4: character U+0007 is not allowed"),
        ("a: " + "[" * 5000, "f.yaml:1:35: nests deeper than 32"),
        ("a: ${", "f.yaml:1:4: ${ must be followed by a name and }"),
        ("a: ${MISSING} ${NAME}", "f.yaml:1:4: environment variable MISSING is not set"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, expected: str) -> None:
    """Nothing that YAML can hold passes unseen or runs code."""
    assert error(text).startswith(expected)


def test_a_document_that_unfolds_without_end_is_refused() -> None:
    """Nested aliases can't exhaust the memory."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert f"unfolds into more than {MAX_VALUES} values" in error("\n".join(lines))


@pytest.mark.timeout(60)
def test_merge_keys_that_unfold_without_end_are_refused() -> None:
    """Mappings that merge each other ten times over: 10 ** 40 keys are counted, not made."""
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 40)]
    assert f"unfolds into more than {MAX_VALUES} values" in error("\n".join(lines))


@pytest.mark.timeout(60)
def test_merge_keys_within_merge_keys_are_counted_too() -> None:
    """A mapping that is merged where it is written stands within the one that merges it, and is counted before."""
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}}}" for n in range(1, 40)]
    assert f"unfolds into more than {MAX_VALUES} values" in error("\n".join(lines))


@pytest.mark.timeout(60)
def test_merge_keys_that_name_what_they_stand_within_are_counted_too() -> None:
    """That is not finished yet when they are counted."""
    keys, names = ", ".join(f"k{n}: 1" for n in range(1500)), ", ".join(["*a"] * 1500)
    assert f"unfolds into more than {MAX_VALUES} values" in error(f"a: &a {{{keys}, x: {{<<: [{names}]}}}}")


def test_merge_keys_fill_what_is_not_written() -> None:
    """An own key wins over a merged one, and is no duplicate of it, wherever an alias repeats the mapping."""
    document = parse("base: &base {x: 1, y: 2}\none: &one {<<: *base, y: 3}\ntwo: *one\nthree: {<<: *one, x: 4}")
    assert document.values == {
        "base": {"x": 1, "y": 2}, "one": {"x": 1, "y": 3}, "two": {"x": 1, "y": 3}, "three": {"x": 4, "y": 3},
    }  # fmt: skip


def test_references_stand_for_environment_variables() -> None:
    """`$${` is a plain `${`; keys and numbers are left alone."""
    assert parse("a: x-${NAME}-y\nb: $${NAME}\nc: $5").values == {"a": "x-value-y", "b": "${NAME}", "c": "$5"}


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """The error does not quote the bytes."""
    path = tmp_path / "f.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_document(path, {})


def test_the_repr_of_a_document_shows_no_value() -> None:
    """References may have put secrets into it."""
    assert "value" not in repr(parse("a: ${NAME}")).replace("values", "")
