"""Tell once that the storage of a hub does not answer, and once that it does again."""

import logging

_log = logging.getLogger("Host.Triggers.DurableTask")


class Outage:
    """Whether the storage behind a hub answers; shared by all that talk to it in the background."""

    def __init__(self, hub: str) -> None:
        self._hub = hub
        self._since_failure = False

    def failed(self, error: Exception) -> None:
        """A background request failed."""
        if not self._since_failure:
            self._since_failure = True
            _log.warning("Task hub '%s' waits for its storage: %s", self._hub, error)

    def recovered(self) -> None:
        """A background request succeeded."""
        if self._since_failure:
            self._since_failure = False
            _log.info("Task hub '%s': the storage answers again.", self._hub)
