from __future__ import annotations

import pytest

from stream_guard.telemetry.names import RECORDS
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.scraping import Silence
from stream_guard.watching.history import History
from tests.watched import BEGAN, make_answer, make_history, make_page

NAME = RECORDS.prometheus


def judged(told: OtelTelemetry, count: int) -> OtelTelemetry:
    """A service that judged so many more records."""
    told.outcome("chat", "judged", "", count)
    return told


def grown(history: History) -> float | None:
    """By how much its records grew over the window."""
    return None if history.growth is None else sum(history.growth.of(NAME).values())


def test_one_answer_says_nothing_about_growth() -> None:
    """What was counted before anybody looked has no rate."""
    history = make_history(make_answer(make_page(judged(OtelTelemetry(), 1000)), 1.0))
    assert (history.growth, history.step) == (None, None)
    assert history.answer is not None


def test_counters_grow_from_look_to_look() -> None:
    """The window begins with its oldest look; the step with the one before."""
    told, history = OtelTelemetry(), History(30.0)
    for at in (0.0, 2.0, 4.0):
        history.told(make_answer(make_page(judged(told, 10)), at))
    assert history.growth is not None
    assert history.step is not None
    assert (grown(history), history.growth.seconds) == (20, 4.0)
    assert (sum(history.step.of(NAME).values()), history.step.seconds) == (10, 2.0)


def test_a_series_that_was_not_there_before_began_at_nothing() -> None:
    """Its first events are part of the growth."""
    told = judged(OtelTelemetry(), 10)
    before = make_answer(make_page(told), 0.0)
    told.outcome("chat", "ignored", "tombstone", 3)
    assert grown(make_history(before, make_answer(make_page(told), 1.0))) == 3


def test_the_window_moves_on() -> None:
    """Growth is over what the window holds, and the look that it began with."""
    told, history = OtelTelemetry(), History(10.0)
    for at in range(0, 60, 2):
        history.told(make_answer(make_page(judged(told, 1)), float(at)))
    assert history.growth is not None
    assert (history.growth.seconds, grown(history)) == (10.0, 5)


def test_looks_that_are_further_apart_than_the_window_are_compared_all_the_same() -> None:
    """Two looks are the least there is."""
    told, history = OtelTelemetry(), History(1.0)
    for at in (0.0, 60.0, 120.0):
        history.told(make_answer(make_page(judged(told, 6)), at))
    assert history.growth is not None
    assert (history.growth.seconds, grown(history)) == (60.0, 6)


@pytest.mark.parametrize("counted", [5, 5000])
def test_another_process_is_a_new_beginning(counted: int) -> None:
    """Whether it counted less or more than the one before: it may have run for hours behind the same port-forward."""
    history = make_history(
        make_answer(make_page(judged(OtelTelemetry(), 100)), 0.0),
        make_answer(make_page(judged(OtelTelemetry(), 110)), 2.0),
        make_answer(make_page(judged(OtelTelemetry(), counted), BEGAN + 3), 4.0),
    )
    assert (grown(history), history.step) == (None, None)
    history.told(make_answer(make_page(judged(OtelTelemetry(), counted + 8), BEGAN + 3), 6.0))
    assert grown(history) == 8


def test_a_process_that_does_not_say_when_it_began_is_another_one_where_a_counter_fell() -> None:
    """Counters never fall in one process."""
    before, after = judged(OtelTelemetry(), 100), judged(OtelTelemetry(), 99)
    history = make_history(make_answer(make_page(before, None), 0.0), make_answer(make_page(after, None), 2.0))
    assert grown(history) is None
    history.told(make_answer(make_page(judged(after, 1), None), 4.0))
    assert grown(history) == 1


def test_what_a_silent_service_said_before_does_not_count() -> None:
    """Nobody knows how it is; once it answers again, growth is known over the gap."""
    told = judged(OtelTelemetry(), 10)
    history = make_history(make_answer(make_page(told), 0.0), make_answer(make_page(judged(told, 1)), 2.0))
    history.told(Silence(4.0, "can't be reached"))
    history.told(Silence(6.0, "nothing came within 5 s"))
    assert (history.answer, history.growth, history.step) == (None, None, None)
    assert history.silence == (4.0, "nothing came within 5 s")
    history.told(make_answer(make_page(judged(told, 4)), 8.0))
    assert history.answer is not None
    assert grown(history) == 5
