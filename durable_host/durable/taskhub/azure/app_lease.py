"""The app lease: only one app at a time works on a hub. All workers of that app share the lease.

Source: docs/protocol/task-hub-storage-partitions.md#app-lease
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from durable_host.durable.taskhub.azure.names import HubNames, app_lease_id
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.storage import BlobService, Conflict, NotFound, PreconditionFailed, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_SOURCE = "app lease"
_LEASE_SECONDS = 60
_RENEW_SECONDS = 25.0
_ACQUIRE_SECONDS = 30.0
_RETRY_SECONDS = 2.0


class AppLease:
    """Acquires and renews the lease on the app lease container. `answered` is set once it was granted or refused."""

    def __init__(self, blobs: BlobService, names: HubNames, app_name: str, outage: Outage) -> None:
        self._blobs = blobs
        self._names = names
        self._app_name = app_name
        self._outage = outage
        self.id = app_lease_id(app_name)
        self.held = False
        self.answered = asyncio.Event()

    async def create(self) -> bool:
        """Create container and blob. Returns False when the container already exists."""
        made = await self._blobs.create_container(self._names.app_lease)
        with contextlib.suppress(StorageError):
            await self._blobs.put(self._names.app_lease, self._names.app_lease_blob, b"{}", if_none_match="*")
        return made

    async def drop(self) -> None:
        """Delete the container, with the lease if it is held here. Errors are ignored."""
        with contextlib.suppress(StorageError):
            await self._blobs.delete_container(self._names.app_lease, lease_id=self.id if self.held else None)

    async def run(self, acquired: Callable[[], Awaitable[None]], lost: Callable[[], Awaitable[None]]) -> None:
        """Call `acquired` when this app gets the lease and `lost` when it loses it, until cancelled."""
        was_taken = False
        while True:
            await self._acquire(was_taken=was_taken)
            await acquired()
            while await self._renewed():
                pass
            self.held = False
            was_taken = True
            _log.warning("Another app took over task hub '%s'; this host waits until it is free.", self._names.hub)
            await lost()

    async def _acquire(self, *, was_taken: bool) -> None:
        """Retry until this app has the lease. `was_taken`: the log already says that another app has it."""
        refused = was_taken
        while True:
            try:
                await self._blobs.acquire_lease(self._names.app_lease, None, _LEASE_SECONDS, self.id)
                self.held = True
                self.answered.set()
                self._outage.recovered(_SOURCE)
                if refused:
                    _log.warning("Task hub '%s' is free again; this host serves it now.", self._names.hub)
                return
            except (Conflict, PreconditionFailed):
                if not refused:
                    self._warn()
                refused = True
                self.answered.set()
                await asyncio.sleep(_ACQUIRE_SECONDS)
            except NotFound:
                with contextlib.suppress(StorageError):
                    await self.create()
                await asyncio.sleep(_RETRY_SECONDS)
            except StorageError as error:
                self._outage.failed(_SOURCE, error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _renewed(self) -> bool:
        await asyncio.sleep(_RENEW_SECONDS)
        try:
            await self._renew()
            self._outage.recovered(_SOURCE)
        except (Conflict, PreconditionFailed):
            return False
        except StorageError as error:
            self._outage.failed(_SOURCE, error)
        return True

    async def _renew(self) -> None:
        """Renew the lease. A lease that expired, was broken or was deleted with its container is acquired again.

        Raises Conflict or PreconditionFailed only when another app holds it.
        """
        try:
            await self._blobs.renew_lease(self._names.app_lease, None, self.id)
            return
        except (Conflict, PreconditionFailed):
            pass
        except NotFound:
            await self.create()
        await self._blobs.acquire_lease(self._names.app_lease, None, _LEASE_SECONDS, self.id)

    def _warn(self) -> None:
        own = f"'{self._app_name}'" if self._app_name else "without a name"
        _log.warning(
            "Task hub '%s' is currently served by another app, which holds the lease on container '%s'. Until it is "
            "free, this app (%s) starts instances and answers queries but runs nothing. Give one of the apps "
            "another hubName in host.json, or give both the same WEBSITE_SITE_NAME, or stop the other host and wait "
            "a minute. Retrying every %d seconds.",
            self._names.hub,
            self._names.app_lease,
            own,
            _ACQUIRE_SECONDS,
        )
