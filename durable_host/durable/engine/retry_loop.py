"""The retry loop of one call: attempts, timers between them, and a timer after the last attempt.

The 1.x SDK numbers them in the same way: the timer when an attempt fails, and the next attempt when the timer fires. It
raises the user's exception only after one more timer that follows the last attempt.

Source: docs/protocol/durable-replay.md#numbering, docs/protocol/durable-actions.md#retries
"""

from durable_host.durable.model.actions import CallActivity, CallSubOrchestrator, RetryPolicy
from durable_host.timestamp import TICKS_PER_MINUTE

DEFAULT_MAX_INTERVAL = 6 * 24 * 60 * TICKS_PER_MINUTE


class RetryLoop:
    """The state of one retried call, owned by the walker that started it. Times are in ticks."""

    __slots__ = ("_attempt", "_first_started", "_is_last_timer", "action", "given_up", "policy")

    def __init__(self, action: CallActivity | CallSubOrchestrator, policy: RetryPolicy, now: int) -> None:
        self.action = action
        self.policy = policy
        self._first_started = now
        self._attempt = 0
        self._is_last_timer = False
        self.given_up: tuple[str, str | None] | None = None

    def attempt_failed(
        self, now: int, *, is_retriable: bool = True, failure: tuple[str, str | None] = ("", None)
    ) -> int | None:
        """Return when the timer after this failure fires, or None if the call gives up without a timer.

        If the SDK counts all attempts, the remaining ones are made but not run, and each of them fails with `given_up`.
        """
        policy = self.policy
        is_late = policy.timeout is not None and now >= self._first_started + policy.timeout
        if (is_late or not is_retriable) and not policy.counts_all:
            return None
        if self._attempt + 1 >= max(policy.max_attempts, 1):
            self._is_last_timer = True
            return now
        if is_late or not is_retriable or self.given_up is not None:
            self.given_up = self.given_up or failure
            self._attempt += 1
            return now
        delay = self._delay()
        self._attempt += 1
        return now + delay

    def timer_fired(self) -> bool:
        """True when another attempt follows, False after the timer that follows the last attempt."""
        return not self._is_last_timer

    def _delay(self) -> int:
        limit = self.policy.max_interval if self.policy.max_interval is not None else DEFAULT_MAX_INTERVAL
        try:
            delay = self.policy.first_interval * self.policy.backoff_coefficient**self._attempt
        except OverflowError:
            return limit
        return min(round(delay), limit) if delay < limit else limit
