"""When another life of an engine is no use."""

from __future__ import annotations

from stream_guard.engines.lives import LifeBounds, Lives

BOUNDS = LifeBounds()


def make_lives(first_load_s: float = 60.0) -> Lives:
    """An engine that was loaded at the start."""
    lives = Lives()
    lives.loading(0.0)
    lives.loaded(first_load_s)
    return lives


def relive(lives: Lives, at: float, answers: int = 0) -> None:
    """A life that begins, answers and ends."""
    lives.loading(at)
    lives.loaded(at)
    lives.answered(answers)
    lives.ended(at)


def test_an_engine_that_ends_again_and_again_is_hopeless() -> None:
    """Five lives without work within half an hour; the reason says how many and how long."""
    lives = make_lives()
    for n in range(1, 5):
        relive(lives, 100.0 * n)
        assert lives.hopeless(100.0 * n) is None
    relive(lives, 500.0)
    assert lives.hopeless(500.0) == "the engine ended 5 times in 400 s and hardly answered in between"


def test_a_life_that_answered_was_worth_it() -> None:
    """Poison that is found out after a few deaths, with work in between, restarts no pod; a trial or two are no work."""
    lives = make_lives()
    for n in range(40):
        relive(lives, 60.0 * n, answers=0 if n % 4 else BOUNDS.answers)
        assert lives.hopeless(60.0 * n) is None
    for n in range(40, 45):
        relive(lives, 60.0 * n, answers=BOUNDS.answers - 1)
    assert lives.hopeless(60.0 * 44) is not None


def test_deaths_that_are_far_apart_are_forgotten() -> None:
    """One a day in a service that is idle."""
    lives = make_lives()
    for day in range(1, 20):
        relive(lives, 86_400.0 * day)
        assert lives.hopeless(86_400.0 * day) is None


def test_a_load_that_fails_is_a_life_without_work() -> None:
    """As often as a death."""
    lives = make_lives()
    for n in range(5):
        lives.loading(100.0 + n)
        lives.ended(100.0 + n)
    assert lives.hopeless(105.0) is not None


def test_loading_that_hangs_is_hopeless() -> None:
    """Ten minutes at least, and five times as long as the first time."""
    for first_load_s, limit_s in ((60.0, 600.0), (300.0, 1500.0)):
        lives = make_lives(first_load_s)
        relive(lives, 1000.0, answers=100)
        lives.loading(1000.0)
        assert lives.hopeless(1000.0 + limit_s) is None
        assert f"it took {first_load_s:.0f} s" in (lives.hopeless(1001.0 + limit_s) or "")
        lives.loaded(1002.0 + limit_s)
        assert lives.hopeless(1003.0 + limit_s) is None


def test_the_first_load_is_not_judged() -> None:
    """Nobody knows how long it takes: the startup probe bounds it."""
    lives = Lives()
    lives.loading(0.0)
    assert lives.hopeless(100_000.0) is None


def test_pauses_grow_and_are_bounded() -> None:
    """None after the first failure: what died once is most likely well again."""
    lives = make_lives()
    pauses = []
    for n in range(7):
        lives.ended(float(n))
        pauses.append(lives.pause_s)
    assert pauses == [0.0, 5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    lives.answered(BOUNDS.answers)
    assert lives.pause_s == 0.0
