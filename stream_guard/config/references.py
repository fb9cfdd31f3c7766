"""References to environment variables in the texts of a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


def resolve(text: str, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """Puts `env`'s values for `${NAME}`, and `${` for `$${`. Returns the text and what is wrong; never shows a value."""
    problems: list[str] = []

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        if match[0] == "$${":
            return "${"
        if name is None:
            problems.append("${ must be followed by a name and }; write $${ for a plain ${")
        elif name not in env:
            problems.append(f"environment variable {name} is not set")
        return env.get(name or "", "")

    return _REFERENCE.sub(replacement, text), problems


def references(text: str) -> tuple[str, ...]:
    """The names of the environment variables that a text refers to."""
    return tuple(match[1] for match in _REFERENCE.finditer(text) if match[1] is not None)


def escaped(text: str) -> str:
    """A text that `resolve` turns back into this one."""
    return text.replace("${", "$${")
