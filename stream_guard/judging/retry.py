"""Whether an ask is asked again, and when: decided here and nowhere else."""

from __future__ import annotations

import random

from msgspec import Struct
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, stop_after_delay, stop_all, wait_exponential


class RetryPolicy(Struct, frozen=True):
    """Bad replies are asked again at once but a few times only; an engine that stumbles is given time.

    `attempts` counts the first ask. Seconds; the wait grows exponentially from `wait_s` to `max_wait_s`, with full jitter.
    Which share of asks an engine must fail for a case to be given up through no fault of its own is set by the two counts:
    an engine that fails two asks of five, or lets one of twenty hang, loses no case in 10,000.
    """

    attempts: int = 3
    stumbling_for_s: float = 60.0
    stumbles: int = 12
    """So many failures at least, however long they took."""
    timeouts: int = 5
    """Asks of one part that may go unanswered, the first included."""
    wait_s: float = 0.2
    max_wait_s: float = 10.0


class Retry:
    """Applies a policy, by tenacity's own strategies; `rng` jitters the waits."""

    def __init__(self, policy: RetryPolicy, rng: random.Random) -> None:
        self._rng = rng
        self._wait = wait_exponential(multiplier=policy.wait_s, max=policy.max_wait_s)
        self._bad_replies = stop_after_attempt(policy.attempts)
        self._stumbles = stop_all(stop_after_delay(policy.stumbling_for_s), stop_after_attempt(policy.stumbles))
        self._timeouts = stop_after_attempt(policy.timeouts)

    def after_bad_reply(self, attempt: int) -> float | None:
        """Seconds until the next ask after `attempt` bad replies, None to abstain. The engine is fine: no wait."""
        return None if self._bad_replies(_state(attempt, 0.0)) else 0.0

    def after_timeout(self, attempt: int, *, in_doubt: bool = False) -> float | None:
        """Seconds until the next ask after `attempt` asks without an answer, None to abstain. They took long enough: no wait."""
        return None if self._timeouts(_state(attempt, 0.0)) and not in_doubt else 0.0

    def after_stumble(self, attempt: int, stumbling_s: float, *, in_doubt: bool = False) -> float | None:
        """Seconds until the next ask after `attempt` failures over `stumbling_s` seconds, None to abstain.

        While it is in doubt who is to blame, the engine or the ask, nothing is given up.
        """
        state = _state(attempt, stumbling_s)
        return None if self._stumbles(state) and not in_doubt else self._rng.random() * self._wait(state)


_RETRYING = AsyncRetrying()


def _state(attempt: int, seconds_since_start: float) -> RetryCallState:
    state = RetryCallState(_RETRYING, None, (), {})
    state.attempt_number = attempt
    state.start_time = 0.0
    state.outcome_timestamp = seconds_since_start
    return state
