"""What is sent, and sent again."""

from __future__ import annotations

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Outbox, Receipt
from stream_guard.delivery.ports import Output
from tests.cases import make_record


def make_output(name: str) -> tuple[Output, Receipt]:
    """An output to a topic of that name, and its receipt."""
    receipt = Receipt(Hearing(make_record(), 1, None, 0.0, 0))
    return Output(name, None, None, (), receipt), receipt


def test_outputs_are_taken_once_in_order_and_stamped() -> None:
    """The stamp tells how long an acknowledgement took."""
    outbox = Outbox(resend_s=1.0, max_resend_s=4.0)
    (one, receipt), (other, _) = make_output("one"), make_output("other")
    outbox.add([one, other])
    assert outbox.take(5.0) == [one, other]
    assert receipt.sent_at == 5.0
    assert outbox.take(5.0) == []


def test_what_was_not_written_is_sent_again_after_a_pause_that_doubles() -> None:
    """Up to a bound, and for ever."""
    outbox = Outbox(resend_s=1.0, max_resend_s=4.0)
    output, receipt = make_output("one")
    now, pauses = 0.0, []
    for _ in range(5):
        outbox.failed(output, receipt, now)
        began = now
        while not outbox.take(now):
            now += 0.5
        pauses.append(now - began)
    assert pauses == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_failed_output_does_not_hold_the_others_up() -> None:
    """They go at once."""
    outbox = Outbox(resend_s=1.0, max_resend_s=4.0)
    (failed, receipt), (other, _) = make_output("one"), make_output("other")
    outbox.failed(failed, receipt, 0.0)
    outbox.add([other])
    assert outbox.take(0.1) == [other]
    assert outbox.take(1.0) == [failed]


def test_how_long_an_output_was_tried_leaves_the_pauses_out() -> None:
    """Of two tries that took a second each, with a long pause between them."""
    outbox = Outbox(resend_s=10.0, max_resend_s=10.0)
    output, receipt = make_output("one")
    outbox.add([output])
    for sent in (5.0, 16.0):
        assert outbox.take(sent) == [output]
        outbox.failed(output, receipt, sent + 1.0)
    assert receipt.tried_s == 2.0
