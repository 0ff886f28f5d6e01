"""Leases on blobs and containers."""

from urllib.parse import quote

from durable_host.storage.errors import InvalidRequest
from durable_host.storage.transport import HttpChannel, StorageResponse

INFINITE = -1


class BlobLeases:
    """The lease requests of the blob service. With `name` None, they apply to the container itself.

    A resource that someone else leases is Conflict `LeaseAlreadyPresent`; a lease ID that does not hold the resource
    is Conflict `LeaseIdMismatchWithLeaseOperation` or `LeaseNotPresentWithLeaseOperation`.
    """

    _channel: HttpChannel

    async def acquire_lease(
        self, container: str, name: str | None, duration: int = 60, lease_id: str | None = None
    ) -> str:
        """Acquire a lease for `duration` seconds (15 to 60, or INFINITE) and return the lease ID.

        With an ID that already holds the resource, this succeeds and restarts the duration.
        """
        if duration != INFINITE and not 15 <= duration <= 60:
            raise InvalidRequest(400, "InvalidHeaderValue", f"A lease lasts 15 to 60 seconds, not {duration}")
        headers = {"x-ms-lease-duration": str(duration)}
        if lease_id is not None:
            headers["x-ms-proposed-lease-id"] = lease_id
        reply = await self._lease("acquire", container, name, headers)
        return reply.headers["x-ms-lease-id"]

    async def renew_lease(self, container: str, name: str | None, lease_id: str) -> None:
        """Restart the duration of the lease."""
        await self._lease("renew", container, name, {"x-ms-lease-id": lease_id})

    async def change_lease(self, container: str, name: str | None, lease_id: str, new_lease_id: str) -> None:
        """Change the ID of the lease."""
        headers = {"x-ms-lease-id": lease_id, "x-ms-proposed-lease-id": new_lease_id}
        await self._lease("change", container, name, headers)

    async def release_lease(self, container: str, name: str | None, lease_id: str) -> None:
        """Release the lease."""
        await self._lease("release", container, name, {"x-ms-lease-id": lease_id})

    async def break_lease(self, container: str, name: str | None) -> None:
        """End the lease immediately, whoever holds it."""
        await self._lease("break", container, name, {"x-ms-lease-break-period": "0"})

    async def _lease(self, action: str, container: str, name: str | None, headers: dict[str, str]) -> StorageResponse:
        headers["x-ms-lease-action"] = action
        if name is None:
            query = (("comp", "lease"), ("restype", "container"))
        else:
            query = (("comp", "lease"),)
        return await self._channel.send("PUT", blob_path(container, name), query, headers)


def blob_path(container: str, name: str | None) -> str:
    """The path of a container or blob below the endpoint."""
    path = "/" + quote(container, safe="$")
    return path if name is None else f"{path}/{quote(name, safe='/')}"
