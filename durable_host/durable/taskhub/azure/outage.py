"""Tell once that the storage of a hub does not answer, and once that it does again."""

import logging

_log = logging.getLogger("Host.Triggers.DurableTask")


class Outage:
    """Who of those that talk to a hub's storage in the background gets no answer; shared by all of them."""

    def __init__(self, hub: str) -> None:
        self._hub = hub
        self._failing: set[str] = set()

    def failed(self, source: str, reason: Exception | str) -> None:
        """A background request of `source` failed."""
        if not self._failing:
            _log.warning("Task hub '%s' waits for its storage: %s", self._hub, reason)
        self._failing.add(source)

    def recovered(self, source: str) -> None:
        """A background request of `source` succeeded."""
        if source in self._failing:
            self._failing.discard(source)
            if not self._failing:
                _log.warning("Task hub '%s': the storage answers again.", self._hub)

    def forget(self, source: str) -> None:
        """`source` asks no more."""
        self._failing.discard(source)
