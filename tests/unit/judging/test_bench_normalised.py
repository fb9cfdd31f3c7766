"""The normalised view gives way before anything that was written does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stream_guard.engines.port import Ask, FailureKind
from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Message, Turn, View
from stream_guard.events.normalising import normalised
from stream_guard.events.render import judged
from stream_guard.judging.bench import Bench
from stream_guard.judging.case import Case
from stream_guard.judging.terms import Terms, TooLong
from tests.benches import P1, content_of, failure, make_bench, make_template, reply
from tests.unit.judging.test_bench_splitting import Wordless

FREE = "fr\u200bee tea "
VIEW = '{"role":"user","content":"free tea "}'


def make_content(text: str = FREE) -> Judged:
    """A message that hides something, with its view."""
    return normalised(judged(Message(content=text), View.MESSAGE))


def asked(content: Judged, terms: Terms, bench: Bench[str] | None = None) -> tuple[Case[str], list[Ask]]:
    """A case, and the asks that it comes to."""
    bench = make_bench() if bench is None else bench
    template = P1 if content.view is View.MESSAGE else make_template("chat", view=content.view)
    case = Case("owner", template, content, 0.0, None, terms)
    bench.add([case], 0.0)
    return case, bench.admit(0.0).asks


def test_the_view_is_asked_with_the_content() -> None:
    """Where both have room, to the token."""
    _, (ask,) = asked(make_content(), Terms(content_tokens=len(VIEW + FREE)))
    assert content_of(ask) == VIEW + FREE


@pytest.mark.parametrize("too_long", TooLong)
def test_without_room_the_content_is_asked_alone(too_long: TooLong) -> None:
    """It is never split, nor does it abstain, because of its view."""
    case, (ask,) = asked(make_content(), Terms(content_tokens=len(VIEW + FREE) - 1, too_long=too_long))
    assert content_of(ask) == FREE
    assert case.judged.signals == ("obfuscation", "obfuscation:zero_width")


def test_the_view_gives_way_before_context_does() -> None:
    """What was said before was written by somebody."""
    chat = judged(Chat(turns=(Turn("user", "maps"), Turn("user", FREE))), View.LAST_TURN)
    content = normalised(chat)
    case, (ask,) = asked(content, Terms(content_tokens=len(content.context + content.text)))
    assert content_of(ask) == content.context + content.text
    assert "context_cut" not in case.judged.signals


def test_segments_have_views_of_their_own() -> None:
    """They are planned so that both fit; a segment that hides nothing has none."""
    text = FREE * 20 + "plain words " * 30
    case, asks = asked(make_content(text), Terms(content_tokens=200, overlap=10))
    shown = [content_of(ask) for ask in asks]
    assert all(len(each) <= 200 for each in shown)
    assert shown[0].startswith('{"role":"user","content":"free tea free tea ')
    assert not shown[-1].startswith("{")
    assert {"split", "obfuscation"} <= set(case.judged.signals)


def test_without_room_for_more_segments_none_has_a_view() -> None:
    """A content is not given up for it."""
    text = FREE * 40
    _, asks = asked(make_content(text), Terms(content_tokens=200, overlap=0, segments=3))
    assert len(asks) == 3
    assert not any(content_of(ask).startswith("{") for ask in asks)


def test_where_tokens_are_unknown_the_view_goes_first_too() -> None:
    """Then the engine is asked once more, about the whole content."""
    bench = make_bench()
    bench._renderer = bench._fitting._renderer = Wordless()
    case, (ask,) = asked(make_content(), Terms(), bench)
    bench.completed([failure(ask.id, FailureKind.TOO_LONG)], 0.0)
    (again,) = bench.admit(0.0).asks
    (outcome,) = bench.completed([reply(again.id, "0")], 1.0).outcomes
    assert outcome.case is case
    assert "split" not in case.judged.signals


def test_a_segment_never_carries_the_view_of_the_whole() -> None:
    """Whoever splits a content gets only what was written."""
    content = make_content(FREE * 9)
    _, asks = asked(replace(content, signals=()), Terms(content_tokens=60, overlap=0))
    assert "".join(content_of(ask) for ask in asks) == FREE * 9
