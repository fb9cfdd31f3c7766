"""Every exception that stream_guard raises on purpose.

StreamGuardError
├── ConfigError             a file the operator wrote is wrong; says file, line and column     (exit 2)
│   └── PolicyError         the same, for a policy document
├── StartRefused            starting would lose or skip records, or could not publish          (exit 3)
├── EngineError
│   ├── EngineUnavailable   the engine is dead, hung or unreachable: intake pauses, nothing abstains
│   └── ModelError          the model folder can't be used as configured                        (exit 3)
├── RegistryUnavailable     the schema registry can't give a schema now: records wait, none is dead-lettered
├── MessageError            what was read back is not of the published contract
└── InvariantViolated       a bug in stream_guard: stop rather than lose or soften anything     (exit 70)

A record or a case that fails is not an exception but a value (`Rejection`, `Abstention`):
one bad record must never fail the list it flows in.
"""

from __future__ import annotations

from dataclasses import dataclass


class StreamGuardError(Exception):
    """Root of the tree. Its message never holds content or secrets."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something is wrong. Lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


class ConfigError(StreamGuardError):
    """Something the operator wrote is wrong: `places` pairs each finding with where it stands."""

    def __init__(self, *findings: tuple[Place, str]) -> None:
        self.findings = findings
        super().__init__("\n".join(f"{place}: {what}" for place, what in findings))


class PolicyError(ConfigError):
    """A policy document is wrong."""


class StartRefused(StreamGuardError):
    """The service does not start because it would skip records or could not publish its outputs."""


class EngineError(StreamGuardError):
    """Root of what goes wrong with an engine as a whole (never with one ask)."""


class EngineUnavailable(EngineError):
    """The engine is dead, hung or unreachable. It may come back; intake pauses until it does."""


class ModelError(EngineError):
    """The model folder can't be used as configured. `problems` are sentences, one for each thing that is wrong."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class RegistryUnavailable(StreamGuardError):
    """The schema registry is down, slow, refuses the credentials, or is none. Records wait for it; none is at fault."""


class MessageError(StreamGuardError):
    """What was read back (a verdict, a ruling, a dead letter) is not of the published contract. Never quotes the message."""


class InvariantViolated(StreamGuardError):
    """A promise of DESIGN.md was about to be broken: a bug in stream_guard."""
