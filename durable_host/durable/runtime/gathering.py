"""Gathers results, so that code that replays its whole history in each turn has fewer turns.

Such a turn takes time for each event of the history. Without gathering, the first results of a large fan-out begin a
turn, the next ones wait for its end, and the worker that runs the activities spends half of its time on replays.
"""

from collections.abc import Sequence

from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
)
from durable_host.durable.taskhub.port import ReceivedMessage

PAUSE_PER_EVENT = 0.000_02
"""Seconds without another result, for each event of the history, after which the turn begins."""
WAIT_PER_EVENT = 0.000_2
"""Seconds after which the turn begins in any case: a few times what its replay takes."""
LONGEST_WAIT = 1.0

_RESULTS = (TaskCompleted, TaskFailed, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed)


class Gathering:
    """The results in a mailbox that wait for the others. `due` is when the turn begins, by the monotonic clock."""

    __slots__ = ("_expected", "_latest", "_pause", "due")

    def __init__(self, expected: int, history_length: int, now: float) -> None:
        wait = min(history_length * WAIT_PER_EVENT, LONGEST_WAIT)
        self._expected = expected
        self._pause = wait * PAUSE_PER_EVENT / WAIT_PER_EVENT
        self._latest = now + wait
        self.due = now + self._pause

    def keeps_waiting(self, mailbox: Sequence[ReceivedMessage], now: float) -> bool:
        """Record the last message of the mailbox. Return False if the turn must begin now."""
        self.due = min(now + self._pause, self._latest)
        return _is_result(mailbox[-1]) and len(mailbox) < self._expected


def gathering_of(state: OrchestrationState | None, mailbox: Sequence[ReceivedMessage], now: float) -> Gathering | None:
    """Return a gathering if the mailbox has nothing but results and more are expected, otherwise None."""
    if state is None or not all(_is_result(one) for one in mailbox):
        return None
    expected = state.calls.open_activities + len(state.calls.open_children)
    return Gathering(expected, len(state.history), now) if len(mailbox) < expected else None


def _is_result(received: ReceivedMessage) -> bool:
    return isinstance(received.message.event, _RESULTS)
