"""The plain renderer."""

from __future__ import annotations

from stream_guard.events.model import View
from stream_guard.prompting.plain import CONTENT_ID, REPLY_ID, STOP_ID, VOCABULARY, PlainRenderer
from stream_guard.prompting.policy_text import policy_text
from tests.cases import make_policy


def test_the_policy_can_be_read_back_from_its_ids() -> None:
    """Four bytes of the policy make one id, above all control ids, and nothing of it is lost."""
    template = PlainRenderer().template(make_policy(), View.MESSAGE)
    *groups, border = template.prefix
    assert border == CONTENT_ID
    assert all(STOP_ID < group < VOCABULARY for group in groups)
    raw = b"".join((group - STOP_ID - 1).to_bytes(4) for group in groups)
    assert raw.rstrip(b"\0").decode() == policy_text(make_policy(), View.MESSAGE)
    assert template.suffix == (REPLY_ID,)
