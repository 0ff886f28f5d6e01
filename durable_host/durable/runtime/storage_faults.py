"""Patience with a storage service that does not answer: wait longer each time, say it once."""

import logging

from durable_host.clock import Clock

_log = logging.getLogger("Host.Storage")

_SHORTEST = 0.5
_LONGEST = 30.0


class StorageFaults:
    """Back-off and log lines shared by all loops of a runtime that use the task hub."""

    def __init__(self, clock: Clock, hub: str) -> None:
        self._clock = clock
        self._hub = hub
        self._is_down = False

    async def wait(self, attempt: int, error: Exception) -> None:
        """Wait before try number `attempt` (from 1) after a failure."""
        self.failed(error)
        await self._clock.sleep(self.delay(attempt))

    def delay(self, attempt: int) -> float:
        return min(_LONGEST, _SHORTEST * 2 ** min(attempt - 1, 10))

    def failed(self, error: Exception) -> None:
        """An operation failed; the first one after a success is logged as a warning."""
        level = logging.DEBUG if self._is_down else logging.WARNING
        self._is_down = True
        _log.log(level, "The task hub '%s' is not available; work continues when it is: %s", self._hub, error)

    def worked(self) -> None:
        """An operation succeeded."""
        if self._is_down:
            self._is_down = False
            _log.info("The task hub '%s' is available again.", self._hub)
