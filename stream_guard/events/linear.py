"""Regular expressions on what anybody may send: matching takes time in proportion to the text, whatever both of them say.

The engine is Rust's, as pydantic brings it: it never goes back. So it knows neither look-around nor back-references.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from pydantic_core import SchemaError, SchemaValidator, core_schema


class LinearPattern:
    """One expression. A text with a lone surrogate, which is no Unicode, matches none."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError where this is no expression that the engine takes."""
        self.pattern = pattern
        self.search: Callable[[str], bool] = _engine(pattern)
        """Whether it matches somewhere in a text."""

    @cached_property
    def fullmatch(self) -> Callable[[str], bool]:
        """Whether it matches a text as a whole. Made when it is first asked for: an expression can take 10 MB."""
        return _engine(rf"\A(?:{self.pattern})\z")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinearPattern) and other.pattern == self.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        return f"LinearPattern({self.pattern!r})"


def _engine(pattern: str) -> Callable[[str], bool]:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")).isinstance_python
    except SchemaError as error:
        why = str(error).rpartition("error: ")[2].strip()
        msg = f"not a regular expression that takes linear time: {why}"
        raise ValueError(msg) from error
