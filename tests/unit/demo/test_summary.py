from __future__ import annotations

import pytest

from stream_guard.demo.firehose import POSTS, Post, Sent
from stream_guard.demo.summary import Score, Spread, Times, score, summarise
from stream_guard.demo.tally import Heard
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.policy.document import Decision
from stream_guard.verdicts.fold import entry_of
from stream_guard.verdicts.model import AbstentionNote, Rank, Timings, Tokens, Verdict
from tests.messages import RECEIVED_MS, make_dead_letter, make_ruling, make_verdict

SPAM = next(post for post in POSTS if post.spam)
HAM = next(post for post in POSTS if post.spam is False)
BROKEN = next(post for post in POSTS if post.kind == "bytes" and post.value == b"")
TOMBSTONE = next(post for post in POSTS if post.value is None)
TIMES = Times(10.0, 12.0, 20.0)


def make_heard(post: Post, *verdicts: Verdict) -> Heard:
    """An event with its verdicts; without any it was rejected."""
    reason = None if verdicts else "empty"
    ruling = make_ruling(*map(entry_of, verdicts), reason=reason)
    return Heard(Sent("demo-001", post), ruling, verdicts, (), make_dead_letter() if reason else None)


def make_abstention() -> Verdict:
    """A verdict of the model that says nothing."""
    note = AbstentionNote(AbstentionReason.UNDECIDED, "label mass")
    return make_verdict(decision=Decision.REVIEW, rank=Rank.ABSTENTION, abstention=note)


def test_a_score_counts_both_sides() -> None:
    """Found spam and passed ham are right; the balanced score weighs the sides alike."""
    block, allow = make_verdict(decision=Decision.BLOCK), make_verdict()
    heard = [make_heard(SPAM, block), make_heard(SPAM, allow), make_heard(HAM, allow), make_heard(HAM, allow)]
    assert score(heard) == Score(found=1, violating=2, passed=2, permitted=2)
    assert (score(heard).right, score(heard).total, score(heard).balanced) == (3, 4, 0.75)


def test_an_abstention_is_right_on_neither_side() -> None:
    """Saying nothing must not look like finding spam, though its decision is no allow."""
    heard = [make_heard(SPAM, make_abstention()), make_heard(HAM, make_abstention())]
    assert score(heard) == Score(found=0, violating=1, passed=0, permitted=1)


def test_only_what_a_model_said_about_spam_is_scored() -> None:
    """Other policies, and verdicts for which no model was asked, tell nothing of it."""
    other, unasked = make_verdict("harassment", Decision.BLOCK), make_verdict(decision=Decision.REVIEW, model=None)
    assert score([make_heard(SPAM, other), make_heard(SPAM, unasked), make_heard(BROKEN)]).total == 0


def test_one_side_alone_has_no_balanced_score() -> None:
    """There is nothing to weigh it against."""
    assert Score(1, 1, 0, 0).balanced is None


def test_every_event_is_counted_once() -> None:
    """Judged, rejected and ignored add up to what was sent."""
    heard = [make_heard(SPAM, make_verdict(decision=Decision.BLOCK)), make_heard(HAM, make_abstention())]
    heard.append(make_heard(BROKEN))
    sent = [*(one.sent for one in heard), Sent("demo-004", TOMBSTONE)]
    summary = summarise(sent, heard, [], TIMES)
    assert (summary.events, summary.judged, summary.rejected, summary.ignored) == (4, 2, 1, {"tombstone": 1})
    assert summary.rulings[Decision.BLOCK] == 1
    assert (summary.verdicts, summary.abstentions) == ({"spam": 2}, {"undecided": 1})
    assert summary.examples is None


def test_figures_come_from_the_verdicts() -> None:
    """Latency is what the event waited and what the engine took; tokens are summed."""
    verdicts = [
        make_verdict(timings=Timings(RECEIVED_MS, RECEIVED_MS, 10.0, float(ms)), tokens=Tokens(100, 75, 1))
        for ms in range(1, 101)
    ]
    summary = summarise([], [make_heard(HAM, verdict) for verdict in verdicts], [], TIMES)
    assert (summary.engine, summary.waiting) == (Spread(50.0, 95.0), Spread(60.0, 105.0))
    assert summary.tokens.cached_share == pytest.approx(0.75)


def test_nothing_heard_is_no_error() -> None:
    """A demo of tombstones ends with zeros."""
    summary = summarise([Sent("demo-001", TOMBSTONE)], [], [], Times(1.0, None, 1.0))
    assert (summary.waiting, summary.tokens.cached_share, summary.model) == (Spread(0.0, 0.0), 0.0, "")
