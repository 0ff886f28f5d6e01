"""Where keys are kept: blobs of the host's storage account, or files.

Source: spec/functions-host.md, section 9.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from durable_host.errors import HostError
from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import Conflict, NotFound, StorageError

CONTAINER = "azure-webjobs-secrets"
HOST = "host"


class KeysUnavailable(HostError):
    """The keys of the host cannot be read or written: see to its storage account."""

    code = "DH3030"


class KeyRepository(Protocol):
    """Documents by name: `host`, or a function's name in lower case. Both raise KeysUnavailable."""

    async def read(self, name: str) -> dict[str, Any] | None: ...

    async def write(self, name: str, document: dict[str, Any]) -> None: ...


class BlobKeys:
    """`<host id>/<name>.json` in the container of keys."""

    def __init__(self, service: BlobService, host_id: str) -> None:
        self._service = service
        self._host_id = host_id

    async def read(self, name: str) -> dict[str, Any] | None:
        try:
            blob = await self._service.get(CONTAINER, self._path(name))
        except StorageError as error:
            raise _unavailable(error) from error
        return None if blob is None else _parsed(blob.data, self._path(name))

    async def write(self, name: str, document: dict[str, Any]) -> None:
        content = msgspec.json.encode(document)
        try:
            try:
                await self._service.put(CONTAINER, self._path(name), content, content_type="application/json")
            except (NotFound, Conflict):
                await self._service.create_container(CONTAINER)
                await self._service.put(CONTAINER, self._path(name), content, content_type="application/json")
        except StorageError as error:
            raise _unavailable(error) from error

    def _path(self, name: str) -> str:
        return f"{self._host_id}/{name}.json"


class FileKeys:
    """`<name>.json` in a folder that only this user can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, name: str) -> dict[str, Any] | None:
        path = self._folder / f"{name}.json"
        try:
            return _parsed(await asyncio.to_thread(path.read_bytes), str(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error) from error

    async def write(self, name: str, document: dict[str, Any]) -> None:
        try:
            await asyncio.to_thread(self._write, name, msgspec.json.encode(document))
        except OSError as error:
            raise _unavailable(error) from error

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(content)
        os.replace(file.name, self._folder / f"{name}.json")


def temporary_folder(host_id: str) -> Path:
    """Where keys lie without a storage account."""
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"durable-host-{user}" / "secrets" / host_id


def _parsed(content: bytes, place: str) -> dict[str, Any]:
    try:
        document: Any = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise KeysUnavailable(f"The keys in '{place}' are no JSON: {error}") from error
    if not isinstance(document, dict):
        raise KeysUnavailable(f"The keys in '{place}' are no JSON object.")
    return cast("dict[str, Any]", document)


def _unavailable(error: Exception) -> KeysUnavailable:
    return KeysUnavailable(
        "The keys of the host cannot be read or written now.",
        cause=str(error),
        remedy="See to the account of AzureWebJobsStorage, or set AzureWebJobsSecretStorageType=files.",
    )
