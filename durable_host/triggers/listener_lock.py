"""A lease, so that only one host runs a listener. Used for timers and the blob scanner.

Source: docs/protocol/functions-host.md#leases
"""

import asyncio
import logging
import uuid

from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import Conflict, NotFound, PreconditionFailed, StorageError
from durable_host.triggers.local_owner import owner_of, this_owner

_log = logging.getLogger("Host.Triggers")

CONTAINER = "azure-webjobs-hosts"
LEASE_SECONDS = 60
RENEW_SECONDS = 20.0
RETRY_SECONDS = 5.0
OUTAGE_SECONDS = 2.0


class ListenerLock:
    """A lease for one listener.

    `allowed` is set while this host may run the listener: it holds the lease, or storage does not answer (then
    `is_held` is false). `allowed` is clear while another host holds the lease.

    The lease of a dead process on this machine is taken over immediately.
    """

    def __init__(self, service: BlobService, host_id: str, name: str, *, instance_id: str = "") -> None:
        self.allowed = asyncio.Event()
        self._service = service
        self._name = name
        self._blob = f"locks/{host_id}/{name}"
        self._instance_id = instance_id
        self._lease: str | None = None
        self._in_trouble = False
        self._is_waiting = False

    @property
    def is_held(self) -> bool:
        """True while this host holds the lease, as far as it knows."""
        return self._lease is not None

    async def keep(self) -> None:
        """Acquire the lease, renew it, and acquire it again if it is lost, until cancelled."""
        while True:
            try:
                pause = await (self._renew() if self._lease is not None else self._acquire())
            except StorageError as error:
                if not self._in_trouble:
                    self._in_trouble = True
                    _log.warning("The lock '%s' cannot be renewed and is being retried: %s", self._name, error)
                if not self._is_waiting:
                    self.allowed.set()
                pause = OUTAGE_SECONDS
            except Exception:
                _log.exception("The lock '%s' cannot be renewed for now", self._name)
                pause = OUTAGE_SECONDS
            else:
                if self._in_trouble:
                    self._in_trouble = False
                    _log.warning("The lock '%s' works again.", self._name)
            await asyncio.sleep(pause)

    async def release(self) -> None:
        """Release the lease, so that the next host can start immediately."""
        lease, self._lease = self._lease, None
        self.allowed.clear()
        if lease is None:
            return
        try:
            await self._service.release_lease(CONTAINER, self._blob, lease)
        except StorageError as error:
            _log.debug("The lock '%s' was not released: %s", self._name, error)

    async def _renew(self) -> float:
        assert self._lease is not None
        try:
            await self._service.renew_lease(CONTAINER, self._blob, self._lease)
        except (Conflict, NotFound, PreconditionFailed) as error:
            _log.debug("The lock '%s' was lost: %s", self._name, error)
            self._lease = None
            return 0.0
        self.allowed.set()
        return RENEW_SECONDS

    async def _acquire(self) -> float:
        wanted = str(uuid.uuid4())
        try:
            await self._service.acquire_lease(CONTAINER, self._blob, LEASE_SECONDS, wanted)
        except NotFound:
            await self._create()
            return 0.0
        except Conflict:
            if not await self._take_over(wanted):
                if not self._is_waiting:
                    self._is_waiting = True
                    _log.warning("Another host of this app holds the lock '%s'; this one waits for it.", self._name)
                self.allowed.clear()
                return RETRY_SECONDS
        self._lease = wanted
        self._is_waiting = False
        self.allowed.set()
        await self._mark(wanted)
        return RENEW_SECONDS

    async def _take_over(self, wanted: str) -> bool:
        """Take over the lease of a dead process. False if it is not dead, or if another host was faster."""
        properties = await self._service.head(CONTAINER, self._blob)
        owner = owner_of(properties.metadata) if properties is not None else None
        if owner is None or not owner.is_dead:
            return False
        try:
            await self._service.change_lease(CONTAINER, self._blob, owner.lease_id, wanted)
            await self._service.renew_lease(CONTAINER, self._blob, wanted)
        except (Conflict, NotFound, PreconditionFailed):
            return False
        _log.info(
            "The lock '%s' was held by process %d, which has died; this host holds it now.", self._name, owner.process
        )
        return True

    async def _mark(self, lease: str) -> None:
        metadata = this_owner(lease).metadata()
        if self._instance_id:
            metadata["FunctionInstance"] = self._instance_id
        try:
            await self._service.set_metadata(CONTAINER, self._blob, metadata, lease_id=lease)
        except StorageError as error:
            _log.debug("The lock '%s' was not marked: %s", self._name, error)

    async def _create(self) -> None:
        try:
            await self._service.put(CONTAINER, self._blob, b"", if_none_match="*")
        except NotFound:
            await self._service.create_container(CONTAINER)
        except (Conflict, PreconditionFailed):
            pass
