"""What a step of an execution is: a call of the code with its attempts and its result."""

from bisect import bisect
from collections.abc import Sequence
from typing import Literal

import msgspec

Kind = Literal["activity", "timer", "retry", "child", "entity", "lock"]
Outcome = Literal["Running", "Completed", "Failed", "Canceled"]


class StepAttempt(msgspec.Struct, frozen=True):
    """One attempt of a call, or the wait for a lock. Times are in ticks; `end` is None while it runs."""

    start: int
    end: int | None = None
    error: str | None = None


class HistoryStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step. Times are in ticks.

    `ordinals` are the positions of its first and its last event in the history. `number` is the task ID of the last
    attempt. `target` is the instance ID of a child or an entity. `due` is set for timers. The kind `retry` is the delay
    before the next attempt of the step at `retry_of`. A lock ends with its release; `granted` is the position of the
    answer. `details` is the traceback of the last error. Texts are as stored.
    """

    kind: Kind
    name: str
    number: int
    ordinals: tuple[int, int | None]
    start: int
    end: int | None = None
    outcome: Outcome = "Running"
    attempts: tuple[StepAttempt, ...] = ()
    target: str | None = None
    due: int | None = None
    retry_of: int | None = None
    granted: int | None = None
    input: str | None = None
    result: str | None = None
    error: str | None = None
    details: str | None = None


class Suspension(msgspec.Struct, frozen=True):
    """A time during which the instance was suspended, in ticks. `end` is None while it is."""

    start: int
    end: int | None
    reason: str | None


class ExecutionSteps(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of an execution. Times are in ticks.

    `external` are the positions of its external events, `episodes` those at which its episodes begin, with their times.
    """

    steps: Sequence[HistoryStep]
    external: Sequence[int]
    suspensions: Sequence[Suspension]
    episodes: Sequence[tuple[int, int]] = ()
    start: int | None = None
    end: int | None = None

    def time_at(self, ordinal: int) -> int:
        """Return the time of the episode to which the event at this position belongs."""
        index = bisect(self.episodes, ordinal, key=lambda episode: episode[0]) - 1
        return self.episodes[index][1] if index >= 0 else self.start or 0
