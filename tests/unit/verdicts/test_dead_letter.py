"""Dead letters: what a broken one ends in, and what nobody can forge."""

from __future__ import annotations

import pytest

from stream_guard.errors import MessageError
from stream_guard.records import Headers
from stream_guard.verdicts.dead_letter import DELIMITER, KEY, decode, encode
from tests.messages import make_dead_letter, make_entry, make_record


def without(headers: Headers, name: str) -> Headers:
    """The headers without the first of this name."""
    at = next(i for i, header in enumerate(headers) if header[0] == name)
    return headers[:at] + headers[at + 1 :]


def test_the_key_is_the_dead_letters_id() -> None:
    """So that a tombstone can purge one, and a redelivered failure replaces its own."""
    letter = make_dead_letter()
    assert encode(letter, make_record()).key == letter.id.encode()


def test_the_value_is_the_originals_byte_for_byte() -> None:
    """Bytes that are no UTF-8 stay as they are."""
    assert encode(make_dead_letter(), make_record(value=b"\xff\x00{")).value == b"\xff\x00{"


def test_a_null_value_never_becomes_a_tombstone() -> None:
    """A null original is written as an empty value that says so, and comes back null; an empty one comes back empty."""
    for value in (None, b""):
        message = encode(make_dead_letter(), make_record(value=value))
        assert message.value == b""
        assert decode(message.key, message.value, message.headers)[1].value == value


def test_original_headers_stand_behind_the_delimiter() -> None:
    """They are the original's, in order, with duplicates and nulls; their number is told."""
    record = make_record()
    message = encode(make_dead_letter(), record)
    at = message.headers.index((DELIMITER, b"%d" % len(record.headers)))
    assert message.headers[at + 1 :] == record.headers
    assert all(name.startswith("sg-dl-") for name, _ in message.headers[: at + 1])


def test_a_producer_forges_nothing() -> None:
    """A record that comes with headers like ours, the delimiter included, is told and restored as what it is."""
    letter = make_dead_letter(reason="not_json")
    forged: Headers = (("sg-dl-reason", b"forged"), ("sg-dl-replays", b"-9"), (DELIMITER, b"0"), (KEY, b"forged"))
    message = encode(letter, make_record(headers=forged))
    found, record = decode(message.key, message.value, message.headers)
    assert found == letter
    assert record.headers == forged


def test_what_something_on_the_way_adds_is_left_out() -> None:
    """A mirror or an agent may put headers in front or at the end: the original has none of them."""
    record = make_record()
    message = encode(make_dead_letter(), record)
    added = (("agent", b"1"), *message.headers, ("mirrored-by", b"2"))
    assert decode(message.key, message.value, added) == (make_dead_letter(), record)


def test_fields_of_a_later_version_are_ignored() -> None:
    """A header of ours that this version does not know changes nothing."""
    message = encode(make_dead_letter(), make_record())
    assert decode(message.key, message.value, (("sg-dl-weight", b"3"), *message.headers))[0] == make_dead_letter()


def test_the_events_verdicts_so_far_come_along() -> None:
    """A replay finds in the dead letter which verdicts it has to supersede."""
    letter = make_dead_letter(entries=(make_entry(), make_entry("harassment", sequence=4)))
    message = encode(letter, make_record())
    assert decode(message.key, message.value, message.headers)[0].entries == letter.entries


@pytest.mark.parametrize(
    "name", ["sg-dl-id", "sg-dl-scope", "sg-dl-subject", "sg-dl-offset", KEY, "sg-dl-value-null", DELIMITER]
)
def test_a_missing_header_is_an_error(name: str) -> None:
    """A dead letter that lacks what every one has is not replayed on a guess."""
    message = encode(make_dead_letter(), make_record())
    with pytest.raises(MessageError):
        decode(message.key, message.value, without(message.headers, name))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sg-dl-scope", b"universe"),
        ("sg-dl-offset", b"twelve"),
        ("sg-dl-offset", None),
        ("sg-dl-retriable", b"perhaps"),
        ("sg-dl-reason", b"\xff"),
        ("sg-dl-entries", b"{"),
        ("sg-dl-value-null", b"perhaps"),
        (DELIMITER, b"-1"),
        (DELIMITER, b"99"),
        (DELIMITER, b"9" * 5_000),
        (DELIMITER, None),
        (DELIMITER, "²".encode()),
    ],
)
def test_a_broken_header_is_an_error(name: str, value: bytes | None) -> None:
    """What can't be read is refused; the message does not quote it."""
    message = encode(make_dead_letter(), make_record())
    broken = tuple((n, value if n == name else v) for n, v in message.headers)
    with pytest.raises(MessageError) as caught:
        decode(message.key, message.value, broken)
    assert value is None or value.decode("latin-1") not in str(caught.value)


def test_a_purged_dead_letter_is_an_error() -> None:
    """A tombstone restores nothing."""
    message = encode(make_dead_letter(), make_record())
    with pytest.raises(MessageError, match="purged"):
        decode(message.key, None, ())


@pytest.mark.parametrize("key", [None, b"", b"other"])
def test_a_foreign_key_is_an_error(key: bytes | None) -> None:
    """The key must be the id that the headers say."""
    message = encode(make_dead_letter(), make_record())
    with pytest.raises(MessageError):
        decode(key, message.value, message.headers)


def test_the_repr_shows_no_content() -> None:
    """A dead letter in a log line tells what failed and nothing of the record or of a person."""
    assert (
        repr(make_dead_letter(detail="byte 34")) == f"DeadLetter({make_dead_letter().id}, record, not_utf8, replays 0)"
    )


def test_a_lone_surrogate_in_a_field_is_written_all_the_same() -> None:
    """Nothing in our own words may keep a record from being kept."""
    message = encode(make_dead_letter(detail="\ud800"), make_record())
    assert decode(message.key, message.value, message.headers)[0].detail == "?"
