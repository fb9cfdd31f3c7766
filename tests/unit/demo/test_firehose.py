from __future__ import annotations

from itertools import islice

import pytest

from stream_guard.demo.firehose import POSTS, Post, firehose
from stream_guard.events.decode import decode
from stream_guard.events.outcome import Ignored, Rejection
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.routing import Limits, kind_of

LIMITS = Limits()


@pytest.mark.parametrize("post", POSTS, ids=[f"{number}-{post.kind}" for number, post in enumerate(POSTS, 1)])
def test_every_event_is_what_it_claims(post: Post) -> None:
    """Its value decodes to its kind and language, or is broken in the way that it says."""
    event = decode(post.value, LIMITS.record_bytes, LIMITS.depth)
    if isinstance(event, Rejection | Ignored):
        assert (post.kind, post.fate, post.spam) == ("bytes", event.reason, None)
    else:
        assert (post.kind, post.language) == (kind_of(event), event.language)
        assert post.fate in {"cases", AbstentionReason.UNSUPPORTED_CONTENT}


def test_there_is_enough_of_everything() -> None:
    """At least sixty events, in several languages, both sides of the spam policy, many ways to be broken."""
    assert len(POSTS) >= 60
    assert len({post.language for post in POSTS if post.language}) >= 8
    assert min(sum(post.spam is side for post in POSTS) for side in (True, False)) >= 20
    assert len({post.fate for post in POSTS}) >= 7
    assert len({post.value for post in POSTS}) == len(POSTS)


def test_the_first_twenty_show_every_kind() -> None:
    """Few are broken, and none abstains by what it is."""
    first = POSTS[:20]
    assert {post.kind for post in first} == {"message", "chat", "completion", "bytes"}
    assert sum(post.kind == "bytes" for post in first) <= 3
    assert {post.fate for post in first if post.kind != "bytes"} == {"cases"}
    assert {post.spam for post in first} == {True, False, None}


@pytest.mark.parametrize("events", [1, 20, len(POSTS), len(POSTS) + 1, 3 * len(POSTS)])
def test_as_many_come_as_are_wanted(events: int) -> None:
    """After the last event the first comes again, under another key."""
    sent = list(firehose(events))
    assert len(sent) == len({one.key for one in sent}) == events
    assert [one.post for one in sent] == list(islice(POSTS * 3, events))


def test_all_come_once_where_no_number_is_given() -> None:
    """The default is every event."""
    assert [one.post for one in firehose()] == list(POSTS)
