"""Receipts record which version of a blob has been handed to which function.

Source: docs/protocol/functions-host-blobs.md#receipts
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import Conflict, NotFound, PreconditionFailed, StorageError

_log = logging.getLogger("Host.Triggers.Blob")

CONTAINER = "azure-webjobs-hosts"
LEASE_SECONDS = 30
_INCOMPLETE = "Incomplete"


class BlobReceipts:
    """The receipts of one host; `service` is the blob service of the host's account."""

    def __init__(self, service: BlobService, host_id: str) -> None:
        self._service = service
        self._prefix = f"blobreceipts/{host_id}/"

    def name(self, function_id: str, etag: str, container: str, blob: str) -> str:
        """The name of the receipt's blob."""
        return f"{self._prefix}{function_id}/{etag}/{container}/{blob}"

    async def complete(self, function_id: str) -> set[str]:
        """The names of all complete receipts of a function."""
        found: set[str] = set()
        try:
            async for receipt in self._service.list(CONTAINER, f"{self._prefix}{function_id}/", metadata=True):
                if not _is_incomplete(receipt.metadata):
                    found.add(receipt.name)
        except NotFound:
            pass
        return found

    async def hand_over(self, receipt: str, enqueue: Callable[[], Awaitable[None]]) -> bool:
        """Enqueue the blob unless it was enqueued before. False if another host is doing so right now."""
        if not await self._create(receipt):
            existing = await self._service.head(CONTAINER, receipt)
            if existing is not None and not _is_incomplete(existing.metadata):
                return True
        try:
            lease = await self._service.acquire_lease(CONTAINER, receipt, LEASE_SECONDS)
        except (Conflict, NotFound):
            return False
        try:
            existing = await self._service.head(CONTAINER, receipt)
            if existing is None:
                return False
            if _is_incomplete(existing.metadata):
                await enqueue()
                await self._service.set_metadata(CONTAINER, receipt, {}, lease_id=lease)
            return True
        except PreconditionFailed:
            return False
        finally:
            await self._release(receipt, lease)

    async def _create(self, receipt: str) -> bool:
        """Create a receipt. False if it already exists."""
        mark = {_INCOMPLETE: _INCOMPLETE}
        for _ in range(2):
            try:
                await self._service.put(CONTAINER, receipt, b"", metadata=mark, if_none_match="*")
                return True
            except NotFound:
                await self._service.create_container(CONTAINER)
            except (Conflict, PreconditionFailed):
                return False
        return False

    async def _release(self, receipt: str, lease: str) -> None:
        try:
            await self._service.release_lease(CONTAINER, receipt, lease)
        except StorageError as error:
            _log.debug("The receipt '%s' was not released: %s", receipt, error)


def _is_incomplete(metadata: Mapping[str, str]) -> bool:
    return any(name.lower() == _INCOMPLETE.lower() for name in metadata)
