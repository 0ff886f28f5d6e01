"""Stores the status of a timer in a blob of the host's storage account.

Source: docs/protocol/functions-host-timers.md#schedule-status
"""

import logging
from typing import Protocol

from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import NotFound
from durable_host.triggers.timer.monitor import ScheduleStatus, parse_status
from durable_host.triggers.timer.zone import Zone

_log = logging.getLogger("Host.Triggers.Timer")

CONTAINER = "azure-webjobs-hosts"


class MonitorStore(Protocol):
    """Reads and writes the status. Raises the errors of `storage.errors`."""

    async def read(self) -> ScheduleStatus | None: ...

    async def write(self, status: ScheduleStatus) -> None: ...


class BlobMonitorStore:
    """`timers/<hostId>/Host.Functions.<fn>/status`."""

    def __init__(self, service: BlobService, host_id: str, function: str, zone: Zone) -> None:
        self._service = service
        self._name = f"timers/{host_id}/Host.Functions.{function}/status"
        self._zone = zone

    async def read(self) -> ScheduleStatus | None:
        """The saved status; None if there is none, or if it is not valid."""
        blob = await self._service.get(CONTAINER, self._name)
        if blob is None:
            return None
        try:
            return parse_status(blob.data)
        except ValueError as error:
            _log.warning("The blob '%s/%s' is not a timer status and is replaced: %s.", CONTAINER, self._name, error)
            return None

    async def write(self, status: ScheduleStatus) -> None:
        content = status.to_json(self._zone).encode()
        try:
            await self._service.put(CONTAINER, self._name, content)
        except NotFound:
            await self._service.create_container(CONTAINER)
            await self._service.put(CONTAINER, self._name, content)
