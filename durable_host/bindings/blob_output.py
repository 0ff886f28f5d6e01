"""The blob output binding.

Source: docs/protocol/functions-host-blobs.md#blob-output, docs/protocol/functions-host-values.md#content-of-a-blob
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

from durable_host.bindings.accounts import Accounts, blob_account_key
from durable_host.bindings.blob_path import container_and_blob
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.properties import BindingFailed, required
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import Datum
from durable_host.invocation.metadata import Binding
from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import NotFound, StorageError

_PARENT = "AzureWebJobsParentId"


class BlobOutput:
    """Overwrites a block blob but keeps its metadata; creates a missing container; notifies blob triggers."""

    def __init__(self, accounts: Accounts, signals: BlobSignals | None = None) -> None:
        self._accounts = accounts
        self._signals = signals or BlobSignals()

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        """Raises BindingFailed."""
        if datum.is_none:
            return
        account = self._accounts.account(binding.text("connection"))
        path = required(binding, "path", binding_data, context.function.name)
        container, name = container_and_blob(path, account.connection)
        try:
            await _write(account.blobs, container, name, blob_content(datum), context.invocation_id)
        except StorageError as error:
            raise BindingFailed(f"The blob '{container}/{name}' could not be written: {error}") from error
        self._signals.notify(blob_account_key(account), container, name)


async def _write(service: BlobService, container: str, name: str, content: bytes, invocation_id: str) -> None:
    existing = await service.head(container, name)
    kept = existing.metadata if existing is not None else {}
    metadata = {name: value for name, value in kept.items() if name.lower() != _PARENT.lower()}
    metadata[_PARENT] = invocation_id
    try:
        await service.put(container, name, content, metadata=metadata)
    except NotFound:
        await service.create_container(container)
        await service.put(container, name, content, metadata=metadata)


def blob_content(value: Datum) -> bytes:
    """Text as UTF-8, compact JSON, bytes unchanged, whole numbers as 4 and others as 8 bytes, little endian."""
    if value.kind == "bytes":
        return value.value
    if value.kind == "int":
        return struct.pack("<I", value.value & 0xFFFFFFFF)
    if value.kind == "double":
        return struct.pack("<d", value.value)
    text = value.as_text() or ""
    return (_compact(text) if value.kind == "json" else text).encode("utf-8", "replace")


def _compact(text: str) -> str:
    """JSON without whitespace."""
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
