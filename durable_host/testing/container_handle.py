"""One blob container of an app under test."""

from collections.abc import Mapping
from typing import Self

from durable_host.storage.account import StorageAccount
from durable_host.storage.errors import NotFound
from durable_host.testing.app_backend import AppBackend
from durable_host.testing.argument_values import as_bytes
from durable_host.testing.settled import Settled

__tracebackhide__ = True


class ContainerHandle(Settled):
    """The container `name`. It need not exist yet: the first upload creates it."""

    def __init__(self, backend: AppBackend, name: str, connection: str | None) -> None:
        self._backend = backend
        self._connection = connection
        self.name = name

    def upload(self, blob: str, data: str | bytes, *, metadata: Mapping[str, str] | None = None) -> Self:
        """Write a blob, replacing an existing one, and run everything that follows. Text is written as UTF-8."""
        content = as_bytes(data, "a blob", "json.dumps")

        async def put(account: StorageAccount) -> None:
            try:
                await account.blobs.put(self.name, blob, content, metadata=dict(metadata or {}))
            except NotFound:
                await account.blobs.create_container(self.name)
                await account.blobs.put(self.name, blob, content, metadata=dict(metadata or {}))

        self._backend.use_storage(put, self._connection)
        return self

    def download(self, blob: str) -> bytes:
        """The content of a blob. Raises LookupError if it does not exist."""
        found = self._backend.use_storage(lambda account: account.blobs.get(self.name, blob), self._connection)
        if found is None:
            raise LookupError(f"There is no blob '{blob}' in the container '{self.name}'. It has: {self.names()}")
        return found.data

    def names(self, prefix: str = "") -> list[str]:
        """The names of the blobs, in order."""

        async def names(account: StorageAccount) -> list[str]:
            try:
                return [blob.name async for blob in account.blobs.list(self.name, prefix)]
            except NotFound:
                return []

        return self._backend.use_storage(names, self._connection)

    def delete(self, blob: str) -> Self:
        """Delete a blob, if it exists."""

        async def delete(account: StorageAccount) -> None:
            await account.blobs.delete(self.name, blob)

        self._backend.use_storage(delete, self._connection)
        return self

    def __contains__(self, blob: str) -> bool:
        return blob in self.names(blob)

    def __repr__(self) -> str:
        return f"<container '{self.name}'>"
