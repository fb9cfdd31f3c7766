"""JSON paths (RFC 9535) into foreign records: compiled once, then looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonpath_rfc9535
from jsonpath_rfc9535.exceptions import JSONPathError

from stream_guard.events.mapping.queries import lookup, refusal, search

MAX_PATH = 256
"""Characters of a path."""


class Path:
    """A compiled path. Paths of the same text are equal."""

    __slots__ = ("_all", "find", "singular", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError, which says what is wrong at which character."""
        query = _parsed(text)
        self.text = text
        self.singular = query.singular_query()
        """Whether it can find one value at most: it has no wildcard, slice, filter, `..` or list of selectors."""
        try:
            # (node, anything) -> the one value of a singular path; a null is nothing, None
            self.find = lookup(query) if self.singular else None
            self._all = search(query)
        except TypeError as error:
            msg = f"{text}: holds a comparison of what can't be compared"
            raise ValueError(msg) from error

    def values(self, document: Any) -> Sequence[Any]:
        """All that is found but nulls, in the order of the document."""
        return [value for value in self._all(document, document) if value is not None]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Path({self.text!r})"


def _parsed(text: str) -> jsonpath_rfc9535.JSONPathQuery:
    if len(text) > MAX_PATH:
        msg = f"a path may have at most {MAX_PATH} characters"
        raise ValueError(msg)
    if not text.startswith("$"):
        msg = "a path starts with $"
        raise ValueError(msg)
    try:
        query = jsonpath_rfc9535.compile(text)
    except JSONPathError as error:
        place = f" at character {error.token.index + 1}" if error.token else ""
        msg = f"{text} is no path: {error.args[0]}{place}"
        raise ValueError(msg) from error
    except (RecursionError, OverflowError) as error:
        msg = "this path nests too deep, or holds a number that is too large"
        raise ValueError(msg) from error
    if (flaw := refusal(query)) is not None:
        msg = f"{text}: {flaw[1]} (at character {flaw[0] + 1})"
        raise ValueError(msg)
    return query
