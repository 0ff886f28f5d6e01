"""Stores keys in blobs of the host's storage account, or in files.

Source: docs/protocol/functions-host.md#key-documents
"""

import asyncio
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from durable_host.errors import HostError
from durable_host.private_files import NotPrivate, make_private_folder, open_private, state_folder, temporary_folder
from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import Conflict, NotFound, StorageError

CONTAINER = "azure-webjobs-secrets"
HOST = "host"
_log = logging.getLogger("Host.Startup")


class KeysUnavailable(HostError):
    """The keys of the host cannot be read or written: check its storage account."""

    code = "DH3030"


class KeyRepository(Protocol):
    """Documents by name: `host`, or a function's name in lower case. Both methods raise KeysUnavailable."""

    async def read(self, name: str) -> dict[str, Any] | None: ...

    async def write(self, name: str, document: dict[str, Any]) -> None: ...


class BlobKeys:
    """Stores keys in the blob `<host id>/<name>.json` in the container for keys."""

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
    """Stores keys in the file `<name>.json` in a folder that only this user can read.

    `folder` may be a function that returns the folder when it is needed. Files that another user could have created are
    refused, because keys give access to the host.
    """

    def __init__(self, folder: Path | Callable[[], Path]) -> None:
        self._place = folder

    async def read(self, name: str) -> dict[str, Any] | None:
        try:
            found = await asyncio.to_thread(self._read, name)
        except NotPrivate as error:
            raise _planted(error) from error
        except OSError as error:
            raise _unavailable(error) from error
        return None if found is None else _parsed(found, f"{name}.json")

    async def write(self, name: str, document: dict[str, Any]) -> None:
        try:
            await asyncio.to_thread(self._write, name, msgspec.json.encode(document))
        except NotPrivate as error:
            raise _planted(error) from error
        except OSError as error:
            raise _unavailable(error) from error

    def _read(self, name: str) -> bytes | None:
        try:
            descriptor = open_private(self._folder() / f"{name}.json", os.O_RDONLY)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def _write(self, name: str, content: bytes) -> None:
        folder = self._folder()
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(content)
        os.replace(file.name, folder / f"{name}.json")

    def _folder(self) -> Path:
        if not isinstance(self._place, Path):
            self._place = self._place()
        return make_private_folder(self._place)


def folder_of_keys(host_id: str) -> Path:
    """The folder for keys without a storage account.

    It is in the temporary folder, or in the user's state folder if another user created the former. Raises OSError.
    """
    try:
        return make_private_folder(make_private_folder(temporary_folder() / "secrets") / host_id)
    except NotPrivate as error:
        place = make_private_folder(state_folder() / "secrets") / host_id
        _log.warning("Keys are kept in '%s'; their usual folder is not trusted: %s.", place, error)
        return place


def _parsed(content: bytes, place: str) -> dict[str, Any]:
    try:
        document: Any = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise KeysUnavailable(f"The keys in '{place}' are not JSON: {error}") from error
    if not isinstance(document, dict):
        raise KeysUnavailable(f"The keys in '{place}' are not a JSON object.")
    return cast("dict[str, Any]", document)


def _planted(error: NotPrivate) -> KeysUnavailable:
    return KeysUnavailable(
        "The files with the keys of the host are not trusted.",
        cause=f"{error}.",
        remedy="Delete it, and the host creates new keys. With AzureWebJobsStorage set, keys need no files.",
    )


def _unavailable(error: Exception) -> KeysUnavailable:
    return KeysUnavailable(
        "The keys of the host cannot be read or written now.",
        cause=error.reason if isinstance(error, StorageError) else str(error),
        remedy="Check the account of AzureWebJobsStorage, or set AzureWebJobsSecretStorageType=files.",
    )
