from __future__ import annotations

from itertools import permutations

import pytest

from stream_guard.demo.firehose import POSTS, Post, Sent
from stream_guard.demo.tally import Heard, Tally
from stream_guard.errors import MessageError
from stream_guard.events.outcome import IgnoredReason
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.policy.document import Decision
from stream_guard.verdicts.dead_letter import Scope
from stream_guard.verdicts.dead_letter import encode as encode_dead_letter
from stream_guard.verdicts.encoding import Encoded, encode_ruling, encode_verdict
from stream_guard.verdicts.fold import entry_of
from stream_guard.verdicts.model import AbstentionNote, Rank, Verdict
from tests.messages import make_dead_letter, make_record, make_ruling, make_verdict

KEY = b"demo-001"


def make_sent(post: Post = POSTS[0], key: bytes = KEY) -> Sent:
    """An event on its way."""
    return Sent(key.decode(), post)


@pytest.fixture
def tally() -> Tally:
    """A tally that waits for one event."""
    tally = Tally()
    tally.send(make_sent())
    return tally


def ruling_on(*verdicts: Verdict, reason: str | None = None) -> Encoded:
    """The ruling on these verdicts, as it stands in Kafka."""
    return encode_ruling(make_ruling(*map(entry_of, verdicts), reason=reason), KEY)


def letter_of(scope: Scope) -> Encoded:
    """A dead letter of the event."""
    letter = make_dead_letter(scope=scope, policy_id="spam" if scope is Scope.CASE else None)
    return encode_dead_letter(letter, make_record(key=KEY))


def undecided() -> Verdict:
    """A verdict whose cause can be mended: its record is dead-lettered too."""
    note = AbstentionNote(AbstentionReason.UNDECIDED, "label mass")
    return make_verdict(decision=Decision.REVIEW, rank=Rank.ABSTENTION, abstention=note)


def test_an_event_is_heard_once_all_of_it_is_there(tally: Tally) -> None:
    """Verdicts and ruling may come in any order, and each twice; the raw values are those that stood in Kafka."""
    verdicts = [make_verdict(), make_verdict("harassment", Decision.REVIEW)]
    encoded = [encode_verdict(verdict, KEY) for verdict in verdicts]
    assert tally.ruling(KEY, ruling_on(*verdicts).value) is None
    assert tally.verdict(KEY, encoded[0].value) is None
    assert tally.verdict(KEY, encoded[0].value) is None
    heard = tally.verdict(KEY, encoded[1].value)
    assert heard is not None
    assert heard.verdicts == tuple(verdicts)
    assert heard.raw == tuple(one.value for one in encoded)
    assert tally.open == 0
    assert tally.verdict(KEY, encoded[1].value) is None


def test_a_rejected_record_comes_with_a_dead_letter(tally: Tally) -> None:
    """It has no verdict, however many policies its route names."""
    assert tally.ruling(KEY, ruling_on(reason="not_json").value) is None
    letter = letter_of(Scope.RECORD)
    heard = tally.dead_letter(letter.key, letter.value, letter.headers)
    assert heard is not None
    assert (heard.verdicts, heard.letter is not None) == ((), True)


@pytest.mark.parametrize("order", list(permutations(("verdict", "ruling", "letter"))))
def test_an_abstention_that_can_be_mended_waits_for_its_dead_letter(tally: Tally, order: tuple[str, ...]) -> None:
    """In whatever order the three come."""
    verdict, letter = undecided(), letter_of(Scope.CASE)

    def take(what: str) -> Heard | None:
        if what == "verdict":
            return tally.verdict(KEY, encode_verdict(verdict, KEY).value)
        if what == "ruling":
            return tally.ruling(KEY, ruling_on(verdict).value)
        return tally.dead_letter(letter.key, letter.value, letter.headers)

    assert [take(what) is not None for what in order] == [False, False, True]


def test_nothing_is_waited_for_of_what_is_ignored() -> None:
    """A tombstone leaves no trace in Kafka."""
    tally = Tally()
    tally.send(make_sent(next(post for post in POSTS if post.fate is IgnoredReason.TOMBSTONE)))
    assert tally.open == 0


def test_what_is_not_of_the_contract_ends_the_demo(tally: Tally) -> None:
    """A value that the published contract does not know is an error, not a gap."""
    with pytest.raises(MessageError):
        tally.verdict(KEY, b"{}")
    with pytest.raises(MessageError):
        tally.ruling(KEY, None)
