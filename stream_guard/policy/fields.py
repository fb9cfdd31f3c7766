"""What may stand in the fields of a front matter, each with the words in which its author is told what belongs there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Field, StringConstraints, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from stream_guard.policy.document import Aspect, Decision, Effort, OutputForm


def must_be(what: str, *, a_text: bool = False) -> WrapValidator:
    """Whatever is wrong with a value itself is told as what it must be. What is wrong within it is told there.

    A number where `a_text` belongs may only lack its quotes.
    """

    def check(value: Any, valid: ValidatorFunctionWrapHandler) -> Any:
        try:
            return valid(value)
        except ValidationError as error:
            if any(each["loc"] for each in error.errors(include_url=False, include_context=False, include_input=False)):
                raise
        raise ValueError(f"must be {what}{_hint(value, valid) if a_text else ''}")

    return WrapValidator(check)


def _hint(value: Any, valid: ValidatorFunctionWrapHandler) -> str:
    """Where quotes are all that is missing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    try:
        valid(str(value))
    except ValidationError:
        return ""
    return " (in quotes: without them it is a number)"


def _must_be_text(what: str) -> WrapValidator:
    return must_be(what, a_text=True)


def within(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """A place as pydantic names it, without what only names a type or says that a key is meant."""
    return tuple(
        part
        for index, part in enumerate(loc)
        if part != "[key]" and not (part in FORMS_OF_CONTENT and loc[index - 1] == "content")
    )


def _one_of(words: Iterable[str]) -> WrapValidator:
    *others, last = words
    return must_be(f"{', '.join(others)} or {last}")


FORMS_OF_CONTENT = ("text", "turns")
"""By which pydantic tells the contents of examples apart."""
_A_LINE = r"^\S([^\r\n]*\S)?$"

Slug: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64),
    _must_be_text(
        "an id of lower-case letters and digits, with single hyphens between them, at most 64, such as fake-reviews"
    ),
]
Id: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*([._-][A-Za-z0-9]+)*$", max_length=32),
    _must_be_text(
        "an id: a letter, then letters and digits, with single . _ or - between them, at most 32, such as SP2 or SP2.a"
    ),
]
Line: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=_A_LINE, max_length=200),
    _must_be_text("a text on one line, without space around it, of 1 to 200 characters"),
]
Sentence: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=_A_LINE, max_length=1000),
    _must_be_text("a text on one line, without space around it, of 1 to 1000 characters"),
]
Text: TypeAlias = Annotated[str, StringConstraints(pattern=r"\S"), _must_be_text("a text that is not blank")]
Revision: TypeAlias = Annotated[int, Field(ge=1), must_be("a whole number from 1 up, raised with every change")]
Severity: TypeAlias = Annotated[
    int,
    Field(ge=0, le=4),
    must_be("a whole number: 0 is what the policy permits, 1 (minor) to 4 (gravest) what violates it"),
]
OneDecision: TypeAlias = Annotated[Decision, Field(strict=False), _one_of(Decision)]
OneAspect: TypeAlias = Annotated[Aspect, Field(strict=False), _one_of(Aspect)]
Aspects: TypeAlias = Annotated[list[OneAspect], Field(min_length=1), must_be(f"a list of {', '.join(Aspect)} or both")]
Rules: TypeAlias = Annotated[
    dict[Id, Sentence],
    Field(min_length=1),
    must_be("one rule or more, each a text by its id, such as SP2.a: Repeated offers."),
]
OneForm: TypeAlias = Annotated[OutputForm, Field(strict=False), _one_of(OutputForm)]
OneEffort: TypeAlias = Annotated[Effort, Field(strict=False), _one_of(Effort)]
_RoleName: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
Role: TypeAlias = Annotated[_RoleName, _one_of(get_args(_RoleName))]
Flag: TypeAlias = Annotated[bool, must_be("true or false")]
CategoryName: TypeAlias = Annotated[str, _must_be_text("the id of a category")]
RuleName: TypeAlias = Annotated[str, _must_be_text("the id of a rule of that category")]
LintRules: TypeAlias = Annotated[
    list[Annotated[str, _must_be_text("the name of a rule of the lint")]],
    must_be("a list of names of rules, such as [examples.too_many]"),
]
Accuracy: TypeAlias = Annotated[
    float, Field(gt=0, le=1, strict=False), must_be("a number above 0 and up to 1: the share of examples to get right")
]
PermitsBelow: TypeAlias = Annotated[
    float,
    Field(ge=0, lt=0.5, strict=False),
    must_be("a number from 0 up and below 0.5: up to this probability of a violation a look permits"),
]
ViolatesAbove: TypeAlias = Annotated[
    float,
    Field(gt=0.5, le=1, strict=False),
    must_be("a number above 0.5 and up to 1: from this probability of a violation on a look finds one"),
]
Audit: TypeAlias = Annotated[
    float,
    Field(gt=0, le=1, strict=False),
    must_be("a number above 0 and up to 1: the share that is reasoned about all the same"),
]
