"""The published contract is frozen: what is written today is byte for byte what subscribers were promised."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from stream_guard.verdicts import dead_letter, encoding, schemas
from stream_guard.verdicts.decoding import decode_rationale, decode_ruling, decode_verdict
from stream_guard.verdicts.encoding import Encoded
from tests.contract.golden_messages import FOLDER, from_json, golden_messages

NAMES = sorted(golden_messages())
EVENTS = [name for name in NAMES if not name.startswith("dead-letter")]
DEAD_LETTERS = [name for name in NAMES if name.startswith("dead-letter")]

TYPES: dict[str, tuple[str, Callable[[bytes], Any], Callable[[], dict[str, Any]]]] = {
    "verdict": (encoding.VERDICT_TYPE, decode_verdict, schemas.verdict_schema),
    "ruling": (encoding.RULING_TYPE, decode_ruling, schemas.ruling_schema),
    "rationale": (encoding.RATIONALE_TYPE, decode_rationale, schemas.rationale_schema),
}


def frozen(name: str) -> Encoded:
    """The message of that name, as it was frozen."""
    return from_json(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def test_every_frozen_message_is_still_made() -> None:
    """No golden file is left that nothing is compared with, and none is missing."""
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_byte_for_byte_as_frozen(name: str) -> None:
    """Key, headers (their order too) and value of what is written are those that were frozen."""
    assert golden_messages()[name] == frozen(name)


@pytest.mark.parametrize("name", EVENTS)
def test_frozen_events_are_read_back(name: str) -> None:
    """A subscriber's decoder reads every frozen value, and it says again exactly what was frozen."""
    event_type, decode, _ = TYPES[name.partition("-")[0]]
    message = frozen(name)
    assert dict(message.headers)["ce_type"] == event_type.encode()
    assert msgspec.json.encode(decode(message.value)) == message.value


@pytest.mark.parametrize("name", EVENTS)
def test_frozen_events_are_valid_by_the_schema(name: str) -> None:
    """The published schema accepts every frozen value."""
    _, _, schema = TYPES[name.partition("-")[0]]
    Draft202012Validator(schema()).validate(json.loads(frozen(name).value))


@pytest.mark.parametrize("name", DEAD_LETTERS)
def test_frozen_dead_letters_are_read_back(name: str) -> None:
    """A frozen dead letter gives back its record, from which the same dead letter is made."""
    message = frozen(name)
    letter, record = dead_letter.decode(message.key, message.value, message.headers)
    assert dead_letter.encode(letter, record) == message


@pytest.mark.parametrize("name", DEAD_LETTERS)
def test_frozen_dead_letters_are_valid_by_the_schema(name: str) -> None:
    """The published schema accepts the headers of every frozen dead letter."""
    headers = schemas.dead_letter_object(frozen(name).headers)
    Draft202012Validator(schemas.dead_letter_schema()).validate(headers)
