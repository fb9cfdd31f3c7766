from __future__ import annotations

import pytest

from stream_guard.proposal.names import (
    author_likeness,
    id_likeness,
    joined,
    media_kind,
    room_likeness,
    text_likeness,
    time_likeness,
    words,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("messageBody", ("message", "body")),
        ("message_body", ("message", "body")),
        ("Message-Body", ("message", "body")),
        ("userID", ("user", "id")),
        ("HTTPCode2", ("http", "code", "2")),
        ("größe", ("größe",)),
        ("$$$", ()),
    ],
)
def test_names_are_split_into_words(name: str, expected: tuple[str, ...]) -> None:
    """However their words are put together."""
    assert words(name) == expected
    assert joined(name) == "".join(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", 1),
        ("commentText", 1),
        ("msg", 1),
        ("body_html", 0.5),
        ("title", 0.5),
        ("foo", 0),
        ("message_id", -1),
        ("url", -1),
    ],
)
def test_some_names_are_of_texts(name: str, expected: float) -> None:
    """The last word decides: an id of a message is no message."""
    assert text_likeness(name) == expected


def test_the_own_id_is_preferred() -> None:
    """Of a message rather than of an event; never of a user, a channel or a parent."""
    assert id_likeness("id") > id_likeness("message_id") > id_likeness("eventId") > 0
    assert not any(map(id_likeness, ("user_id", "channel_id", "parent_id", "idea")))


def test_an_author_is_named_by_an_id_rather_than_a_name() -> None:
    """An id stays, a name is chosen anew."""
    assert author_likeness("id", "author") > author_likeness("name", "author") > author_likeness("name", "channel") == 0
    assert author_likeness("user_id", "") > author_likeness("username", "") > 0
    assert author_likeness("sender", "") > 0


def test_rooms_and_times_have_their_names() -> None:
    """The narrowest room; the time of writing, not of a change or of receipt."""
    assert room_likeness("channel_id", "") > room_likeness("guild_id", "") > 0
    assert room_likeness("id", "channel") > room_likeness("name", "channel") > room_likeness("size", "channel") == 0
    assert time_likeness("created_at") > time_likeness("ts") > 0
    assert not any(map(time_likeness, ("updated_at", "received_at", "count", "runtime")))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("attachments", "file"),
        ("image_url", "image"),
        ("voice", "audio"),
        ("tool_calls", "tool_call"),
        ("imaginary", None),
    ],
)
def test_what_is_sent_beside_a_text_has_a_kind(name: str, kind: str | None) -> None:
    """As it will stand in a verdict."""
    assert media_kind(name) == kind
