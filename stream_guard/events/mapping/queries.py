"""A parsed JSON path (RFC 9535) as functions that walk a document: the library parses, this looks things up.

Everything a path can ask for takes time linear in the document, whatever the document: `refusal` names what could not be
bounded so (more than one `..`, regular expressions, a filter that looks at the whole document for every element).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any, TypeAlias

from jsonpath_rfc9535 import JSONPathQuery
from jsonpath_rfc9535.filter_expressions import (
    ComparisonExpression,
    Expression,
    FilterExpression,
    FilterExpressionLiteral,
    FilterQuery,
    FunctionExtension,
    LogicalExpression,
    PrefixExpression,
    RelativeFilterQuery,
    RootFilterQuery,
)
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath_rfc9535.selectors import (
    FilterSelector,
    IndexSelector,
    JSONPathSelector,
    NameSelector,
    SliceSelector,
    WildcardSelector,
)

MAX_BRANCHES = 16
"""How often a path may come by the same value, where it names several in one pair of brackets."""
_SHORT = 2

Find: TypeAlias = Callable[[Any, Any], Any]
"""(node, root of the document) -> what is there."""
Values: TypeAlias = Callable[[Any, Any], Sequence[Any]]
"""(node, root of the document) -> all that is found, in the order of the document."""

Flaw: TypeAlias = tuple[int, str]
"""At which character of a path, from 0, and why it is refused."""


class _Absent:
    """What a path finds that finds nothing, where a null is something else."""

    __slots__ = ()


_ABSENT = _Absent()


def lookup(query: JSONPathQuery, absent: object = None) -> Find:
    """What a singular query finds."""
    steps = tuple(_step(segment.selectors[0]) for segment in query.segments)
    if (fields := [step for step in steps if isinstance(step, str)]) and len(fields) == len(steps) <= _SHORT:
        return _field(*fields, absent=absent)

    def find(node: Any, _: Any) -> Any:
        for step in steps:
            if type(node) is dict:
                node = node.get(step, absent)
            elif type(node) is list and type(step) is int and -len(node) <= step < len(node):
                node = node[step]
            else:
                return absent
        return node

    return find


def _field(name: str, inner: str | None = None, *, absent: object) -> Find:
    """The same for the paths that most mappings have: `$.name` and `$.name.inner`, in half the time."""
    if inner is None:
        return lambda node, _: node.get(name, absent) if type(node) is dict else absent

    def find(node: Any, _: Any) -> Any:
        try:
            return node[name][inner]
        except (KeyError, TypeError):
            return absent

    return find


def _step(selector: JSONPathSelector) -> str | int:
    return selector.name if isinstance(selector, NameSelector) else selector.index  # type: ignore[attr-defined]  # singular


def search(query: JSONPathQuery) -> Values:
    """All that a query finds, nulls included."""
    segments = tuple(_segment(segment) for segment in query.segments)

    def find(node: Any, root: Any) -> Sequence[Any]:
        nodes: Sequence[Any] = (node,)
        for segment in segments:
            nodes = segment(nodes, root)
        return nodes

    return find


def _segment(segment: JSONPathSegment) -> Callable[[Iterable[Any], Any], list[Any]]:
    selectors = tuple(_selector(selector) for selector in segment.selectors)
    if isinstance(segment, JSONPathRecursiveDescentSegment):
        return lambda nodes, root: [
            found for node in nodes for each in _descent(node) for select in selectors for found in select(each, root)
        ]
    return lambda nodes, root: [found for node in nodes for select in selectors for found in select(node, root)]


def _descent(node: Any) -> Iterator[Any]:
    """A node and all below it, each before what it holds."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(_children(node)))


def _children(node: Any) -> Sequence[Any]:
    if type(node) is dict:
        return list(node.values())
    return node if type(node) is list else ()


def _selector(selector: JSONPathSelector) -> Values:
    if isinstance(selector, WildcardSelector):
        return lambda node, _: _children(node)
    if isinstance(selector, NameSelector):
        return _named(selector.name)
    if isinstance(selector, IndexSelector):
        return _indexed(selector.index)
    if isinstance(selector, SliceSelector):
        return _sliced(selector.slice)
    if isinstance(selector, FilterSelector):
        return _filtered(_test(selector.expression))
    raise TypeError(type(selector).__name__)


def _named(name: str) -> Values:
    return lambda node, _: (node[name],) if type(node) is dict and name in node else ()


def _indexed(index: int) -> Values:
    return lambda node, _: (node[index],) if type(node) is list and -len(node) <= index < len(node) else ()


def _sliced(cut: slice) -> Values:
    return lambda node, _: node[cut] if type(node) is list and cut.step != 0 else ()


def _filtered(test: Find) -> Values:
    return lambda node, root: [child for child in _children(node) if test(child, root)]


def _test(expression: Expression) -> Find:
    """Whether an element passes."""
    if isinstance(expression, FilterExpression):
        return _test(expression.expression)
    if isinstance(expression, PrefixExpression):
        inner = _test(expression.right)
        return lambda node, root: not inner(node, root)
    if isinstance(expression, LogicalExpression):
        left, right = _test(expression.left), _test(expression.right)
        if expression.operator == "&&":
            return lambda node, root: left(node, root) and right(node, root)
        return lambda node, root: left(node, root) or right(node, root)
    if isinstance(expression, ComparisonExpression):
        return _comparison(_COMPARE[expression.operator], _value(expression.left), _value(expression.right))
    found = _nodes(expression)
    return lambda node, root: len(found(node, root)) > 0


def _comparison(compare: Callable[[Any, Any], bool], left: Find, right: Find) -> Find:
    return lambda node, root: compare(left(node, root), right(node, root))


def _nodes(expression: Expression) -> Values:
    if not isinstance(expression, FilterQuery):
        raise TypeError(type(expression).__name__)
    found = search(expression.query)
    return found if isinstance(expression, RelativeFilterQuery) else lambda _, root: found(root, root)


def _value(expression: Expression) -> Find:
    """One side of a comparison, or the argument of a function: a value, or that there is none."""
    if isinstance(expression, FilterExpressionLiteral):
        literal = expression.value
        return lambda _node, _root: literal
    if isinstance(expression, FunctionExtension):
        return _function(expression)
    if not isinstance(expression, FilterQuery):
        raise TypeError(type(expression).__name__)
    found = lookup(expression.query, _ABSENT)
    return found if isinstance(expression, RelativeFilterQuery) else lambda _, root: found(root, root)


def _function(expression: FunctionExtension) -> Find:
    if expression.name == "length":
        value = _value(expression.args[0])
        return lambda node, root: _length(value(node, root))
    found = _nodes(expression.args[0])
    if expression.name == "count":
        return lambda node, root: len(found(node, root))
    return lambda node, root: values[0] if len(values := found(node, root)) == 1 else _ABSENT


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, str | list | dict) else _ABSENT


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _less(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    return isinstance(left, int | float) and isinstance(right, int | float) and left < right


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _less,
    ">": lambda left, right: _less(right, left),
    "<=": lambda left, right: _less(left, right) or _equal(left, right),
    ">=": lambda left, right: _less(right, left) or _equal(left, right),
}


def refusal(query: JSONPathQuery) -> Flaw | None:
    """Why a query is not taken, although it is a path; None where it is."""
    descents = [s for s in query.segments if isinstance(s, JSONPathRecursiveDescentSegment)]
    if len(descents) > 1:
        return descents[1].token.index, "a path may have `..` once: with more its time is not bounded"
    return _too_wide(query) or next(_filter_flaws(query), None)


def _too_wide(query: JSONPathQuery) -> Flaw | None:
    if prod(len(segment.selectors) for segment in query.segments) <= MAX_BRANCHES:
        return None
    return query.segments[-1].token.index, f"a path may have at most {MAX_BRANCHES} branches"


def _filter_flaws(query: JSONPathQuery) -> Iterator[Flaw]:
    for segment in query.segments:
        for selector in segment.selectors:
            if isinstance(selector, FilterSelector):
                yield from _flaws(selector.expression)


def _flaws(expression: Expression) -> Iterator[Flaw]:
    if isinstance(expression, FunctionExtension) and expression.name in {"match", "search"}:
        yield expression.token.index, f"{expression.name}() is not taken: put `matches` into the shape's `when`"
    if isinstance(expression, ComparisonExpression) and not any(map(_looks_at_element, _inner(expression))):
        yield expression.token.index, "this compares nothing of the element"
    if isinstance(expression, FilterQuery):
        yield from _query_flaws(expression)
    for inner in _inner(expression):
        yield from _flaws(inner)


def _query_flaws(expression: FilterQuery) -> Iterator[Flaw]:
    if isinstance(expression, RootFilterQuery) and not expression.query.singular_query():
        yield expression.token.index, "in a filter, a path from $ must lead to one value"
    if any(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in expression.query.segments):
        yield expression.token.index, "a filter may not have `..`: its time is not bounded"
    if (wide := _too_wide(expression.query)) is not None:
        yield wide
    yield from _filter_flaws(expression.query)


def _inner(expression: Expression) -> Sequence[Expression]:
    if isinstance(expression, FilterExpression):
        return (expression.expression,)
    if isinstance(expression, PrefixExpression):
        return (expression.right,)
    if isinstance(expression, LogicalExpression | ComparisonExpression):
        return (expression.left, expression.right)
    return tuple(expression.args) if isinstance(expression, FunctionExtension) else ()


def _looks_at_element(expression: Expression) -> bool:
    return isinstance(expression, RelativeFilterQuery) or any(map(_looks_at_element, _inner(expression)))
