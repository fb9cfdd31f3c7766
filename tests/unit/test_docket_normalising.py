"""Which contents go to the bench with a normalised view."""

from __future__ import annotations

import pytest

from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.routing import Context, Limits
from tests.cases import NOW_MS, RENDERER, make_docket, make_policy, make_record, make_route

FREE = {"kind": "message", "content": "fr\u200bee tea"}
LINE = '{"role":"user","content":"free tea"}'
SIGNALS = ("obfuscation", "obfuscation:zero_width")


def heard(*events: object, **settings: object) -> Judged:
    """What is judged of the last of these events, on a route with these settings."""
    records = [make_record(event, offset=offset) for offset, event in enumerate(events)]
    hearings = make_docket(make_route(**settings)).open(records, [None] * len(records), 10.0, NOW_MS)  # type: ignore[arg-type]
    content = hearings[-1].judged
    assert content is not None
    assert all(case.judged is content for case in hearings[-1].cases)
    return content


@pytest.mark.parametrize(
    "event",
    [
        FREE,
        {"kind": "chat", "turns": [{"role": "user", "content": "fr\u200bee tea"}]},
        {"kind": "completion", "prompt": [], "completion": "fr\u200bee tea"},
    ],
)
def test_every_kind_of_event_is_signalled_and_shown_in_plain_letters(event: object) -> None:
    """By default."""
    content = heard(event)
    assert content.signals == SIGNALS
    assert "free tea" in content.normalised


def test_a_message_in_context_too() -> None:
    """The message, not what was said before it."""
    templates = {View.MESSAGE_IN_CONTEXT: (RENDERER.template(make_policy(), View.MESSAGE_IN_CONTEXT),)}
    content = heard(FREE, FREE, templates=templates, context=Context(3))
    assert (content.normalised, content.signals) == (LINE, SIGNALS)
    assert content.context == '{"role":"user","content":"fr\u200bee tea"}'
    plain = heard(FREE, {"kind": "message", "content": "tea"}, templates=templates, context=Context(3))
    assert (plain.normalised, plain.signals) == ("", ())


def test_a_route_can_leave_it() -> None:
    """Then nothing is looked for."""
    content = heard(FREE, normalise=False)
    assert (content.normalised, content.signals) == ("", ())


def test_a_view_never_makes_a_content_too_long() -> None:
    """It has what room the route's limit leaves."""
    fits = len("fr\u200bee tea") + len(LINE)
    assert heard(FREE, limits=Limits(content_chars=fits)).normalised == LINE
    content = heard(FREE, limits=Limits(content_chars=fits - 1))
    assert (content.normalised, content.signals) == ("", SIGNALS)
