"""Storage faults of background requests: outages are waited out, and refusals are explained.

Each kind of fault is logged once when it begins and once when it ends.
"""

import logging
import time
from collections.abc import Callable

from durable_host.durable.taskhub.reported_faults import ReportedFaults
from durable_host.storage import AccessDenied, StorageError
from durable_host.storage.errors import diagnosis

_log = logging.getLogger("Host.Triggers.DurableTask")
DENIED_PATIENCE = 30.0
_FEWEST_DENIALS = 5
_OUTAGE = "outage "


class Outage:
    """Shared by everything that uses a hub's storage in the background. `setting` is the name of the connection.

    `on_denied` is called when storage has denied every request for 30 seconds.
    """

    def __init__(self, hub: str, setting: str = "AzureWebJobsStorage") -> None:
        self._hub = hub
        self._setting = setting
        self._faults = ReportedFaults()
        self._denied_since: float | None = None
        self._denials = 0
        self.on_denied: Callable[[AccessDenied], None] | None = None

    def failed(self, source: str, reason: StorageError | str) -> None:
        """Record that a background request of `source` failed."""
        if isinstance(reason, str) or reason.is_outage:
            kind = _OUTAGE + ("slow" if isinstance(reason, str) else reason.code)
            if self._faults.begins(source, kind):
                _log.warning("Task hub '%s' waits for its storage: %s", self._hub, reason)
            return
        if self._faults.begins(source, reason.code):
            _log.warning(
                "The storage of task hub '%s' refuses a request: %s", self._hub, diagnosis(reason, self._setting)
            )
        if isinstance(reason, AccessDenied):
            self._denied(reason)

    def recovered(self, source: str) -> None:
        """Record that a background request of `source` succeeded."""
        self._denied_since = None
        over = self._faults.ends(source)
        if any(kind.startswith(_OUTAGE) for kind in over):
            _log.warning("Task hub '%s': the storage answers again.", self._hub)
        for kind in over:
            if not kind.startswith(_OUTAGE):
                _log.warning("Task hub '%s': the storage no longer refuses requests (%s).", self._hub, kind)

    def forget(self, source: str) -> None:
        """Forget the faults of a `source` that has stopped asking."""
        self._faults.ends(source)

    def _denied(self, error: AccessDenied) -> None:
        now = time.monotonic()
        if self._denied_since is None:
            self._denied_since, self._denials = now, 0
        self._denials += 1
        lasts = now - self._denied_since >= DENIED_PATIENCE and self._denials >= _FEWEST_DENIALS
        if lasts and self.on_denied is not None:
            self.on_denied(error)
