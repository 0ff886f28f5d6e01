"""Handles storage that is unavailable or rejects requests: waits longer each time and logs each kind of fault once."""

import logging

from durable_host.clock import Clock
from durable_host.durable.taskhub.port import TaskHubRefused, TaskHubUnavailable
from durable_host.durable.taskhub.reported_faults import ReportedFaults

_log = logging.getLogger("Host.Storage")

MAX_REFUSALS = 4
"""How often a request that storage rejects is tried. Outages have no such limit."""
_SHORTEST = 0.5
_LONGEST = 30.0
_REFUSED = "refused "


class StorageFaults:
    """Back-off and log lines for all parts of a runtime that use the task hub. A `source` is the part that asks."""

    def __init__(self, clock: Clock, hub: str) -> None:
        self._clock = clock
        self._hub = hub
        self._faults = ReportedFaults()

    async def wait(self, source: str, attempt: int, error: Exception) -> None:
        """Wait after failure number `attempt` (from 1)."""
        self.failed(source, error)
        await self._clock.sleep(self.delay(attempt))

    def delay(self, attempt: int) -> float:
        return min(_LONGEST, _SHORTEST * 2 ** min(attempt - 1, 10))

    def failed(self, source: str, error: Exception) -> None:
        """Record a failed operation. Only the first failure of its kind is logged as a warning."""
        kind = error.kind if isinstance(error, TaskHubUnavailable) else type(error).__name__
        if isinstance(error, TaskHubRefused):
            is_new = self._faults.begins(source, _REFUSED + kind)
            text = "The storage of the task hub '%s' refused a request: %s"
        else:
            is_new = self._faults.begins(source, kind)
            text = "The task hub '%s' is not available; work continues when it is back: %s"
        _log.log(logging.WARNING if is_new else logging.DEBUG, text, self._hub, error)

    def recovered(self, source: str) -> None:
        """Record that an operation succeeded."""
        over = self._faults.ends(source)
        if any(not kind.startswith(_REFUSED) for kind in over):
            _log.warning("The task hub '%s' is available again.", self._hub)
        for kind in over:
            if kind.startswith(_REFUSED):
                reason = kind.removeprefix(_REFUSED)
                _log.warning("The storage of the task hub '%s' no longer refuses requests (%s).", self._hub, reason)

    def forget(self, source: str) -> None:
        """Forget the faults of a `source` that has stopped asking."""
        self._faults.ends(source)
