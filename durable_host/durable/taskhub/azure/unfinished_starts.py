"""Starts that this process could not finish: the row may exist, but the message may be missing.

The caller got the error that storage does not respond, and may call again with the same instance ID. The second call
must not be rejected because of the row from the first.

Source: docs/protocol/task-hub-storage-additions.md#order-of-a-start
"""

import hashlib
from collections import OrderedDict

import msgspec

from durable_host.clock import Clock
from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.messages import TaskMessage
from durable_host.timestamp import TICKS_PER_SECOND

_REMEMBERED = 10_000
_FORGOTTEN_AFTER = 600 * TICKS_PER_SECOND


class UnfinishedStart(msgspec.Struct, frozen=True):
    """A call that failed at `time`: the identity of its message, and a digest of the request."""

    message_id: str | None
    digest: bytes
    time: int

    def has_same_request(self, event: ExecutionStarted) -> bool:
        """True when `event` repeats the request of this start."""
        return _digest(event) == self.digest


class UnfinishedStarts:
    """Up to 10,000 unfinished starts of the last ten minutes, by execution ID."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_execution: OrderedDict[str, UnfinishedStart] = OrderedDict()

    def add(self, start: TaskMessage) -> None:
        """Add a start that failed after its row may have been written."""
        event = start.event
        if not isinstance(event, ExecutionStarted) or start.target.execution_id is None:
            return
        self._by_execution[start.target.execution_id] = UnfinishedStart(start.id, _digest(event), self._clock.now())
        if len(self._by_execution) > _REMEMBERED:
            self._by_execution.popitem(last=False)

    def get(self, execution_id: str | None) -> UnfinishedStart | None:
        """Return the unfinished start that created this execution, or None."""
        known = self._by_execution.get(execution_id or "")
        return known if known is not None and self._clock.now() - known.time < _FORGOTTEN_AFTER else None

    def forget(self, execution_id: str | None) -> None:
        """Forget a start that was finished."""
        self._by_execution.pop(execution_id or "", None)


def _digest(event: ExecutionStarted) -> bytes:
    asked = (event.name, event.version, event.input, event.tags, event.scheduled_start_time)
    return hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).digest()
