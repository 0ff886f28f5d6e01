"""Stores texts that are too large for a queue message or a table column as gzip blobs.

Source: docs/protocol/task-hub-storage-messages.md#large-messages,
    docs/protocol/task-hub-storage-history.md#large-columns,
    docs/protocol/task-hub-storage-instances.md#large-input-and-output
"""

import asyncio
import gzip
import logging
import os
import zlib
from collections.abc import Iterable
from io import BytesIO
from urllib.parse import unquote, urlsplit

from durable_host.storage import BlobProperties, BlobService, InvalidRequest, NotFound
from durable_host.storage.bounded import for_each

_log = logging.getLogger("Host.Triggers.DurableTask")
LARGE_PROPERTY_UNITS = 30_720
_MAYBE_LARGE = LARGE_PROPERTY_UNITS // 2
_THREAD_FROM = 256 * 1024
_UNPACKED_IN_THREAD_FROM = 16 * 1024
"""In packed bytes. They may expand to a thousand times as many."""
_PARALLEL = 8
LONGEST_UNPACKED = 256 * 1024 * 1024
"""The largest text in a blob, in bytes. Anything larger is treated as a decompression bomb."""


def is_large(text: str) -> bool:
    """True when the text is longer than 61,440 bytes in UTF-16."""
    length = len(text)
    if length <= _MAYBE_LARGE:
        return False
    if length > LARGE_PROPERTY_UNITS:
        return True
    return not text.isascii() and len(text.encode("utf-16-le", "surrogatepass")) > 2 * LARGE_PROPERTY_UNITS


def property_blob_name(partition_key: str, row_key: str, kind: str, column: str) -> str:
    """Return a new blob name for a large column. `kind` is the event type, or the column for Instances rows."""
    return f"{partition_key}/history-{row_key}-{kind}-{os.urandom(4).hex().upper()}-{column}.json.gz"


class UnreadablePayload(Exception):
    """The blob of a large text is missing, damaged or too large. The exception text names it."""


class LargePayloads:
    """The container of large texts, created by the first write."""

    def __init__(self, blobs: BlobService, container: str) -> None:
        self._blobs = blobs
        self._container = container
        self._unpacking = asyncio.Lock()
        self._was_there = False

    async def put(self, name: str, text: str) -> None:
        """Store a text."""
        raw = text.encode("utf-8", "replace")
        data = await asyncio.to_thread(_pack, raw) if len(raw) > _THREAD_FROM else _pack(raw)
        try:
            await self._blobs.put(self._container, name, data)
        except NotFound:
            made = await self._blobs.create_container(self._container)
            if made and self._was_there:
                _log.warning(
                    "The container '%s' was missing and has been recreated. The large texts in it are lost.",
                    self._container,
                )
            await self._blobs.put(self._container, name, data)
        self._was_there = True

    async def get(self, name: str) -> str:
        """Return a stored text. Raises `UnreadablePayload`."""
        try:
            blob = await self._blobs.get(self._container, name)
        except NotFound:
            blob = None
        except InvalidRequest as problem:
            raise UnreadablePayload(f"'{name}' is not a valid blob name in '{self._container}': {problem}") from None
        if blob is None:
            raise UnreadablePayload(f"blob '{name}' of container '{self._container}' does not exist")
        try:
            if len(blob.data) <= _UNPACKED_IN_THREAD_FROM:
                return _unpack(blob.data)
            async with self._unpacking:  # One at a time, to limit the memory that bombs can use.
                return await asyncio.to_thread(_unpack, blob.data)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, OverflowError) as problem:
            raise UnreadablePayload(f"blob '{name}' of container '{self._container}' is damaged: {problem}") from None

    def url(self, name: str) -> str:
        """Return the address by which the Instances table refers to a blob."""
        return self._blobs.url(self._container, name)

    def name_in(self, text: str | None) -> str | None:
        """Return the blob that a column refers to if its text is the address of one, otherwise None.

        Other addresses are plain text, because an orchestration may return one.
        """
        if not text or not text.startswith(("http://", "https://")) or not text.endswith(".json.gz"):
            return None
        try:
            path = urlsplit(text).path
        except ValueError:
            return None
        before, found, name = path.partition(f"/{self._container}/")
        return unquote(name) if found and before.count("/") <= 1 and name else None

    async def delete(self, names: Iterable[str]) -> None:
        """Delete blobs. Blobs that no longer exist are ignored."""
        await for_each(names, self._delete_one, _PARALLEL)

    async def found(self, prefix: str) -> list[BlobProperties]:
        """Return all blobs whose names begin with `prefix`."""
        try:
            return [blob async for blob in self._blobs.list(self._container, prefix)]
        except NotFound:
            return []

    async def drop(self) -> None:
        """Delete the container."""
        await self._blobs.delete_container(self._container)

    async def _delete_one(self, name: str) -> None:
        try:
            await self._blobs.delete(self._container, name)
        except NotFound:
            return


def _pack(raw: bytes) -> bytes:
    return gzip.compress(raw, 5, mtime=0)


def _unpack(data: bytes) -> str:
    with gzip.GzipFile(fileobj=BytesIO(data)) as packed:
        raw = packed.read(LONGEST_UNPACKED + 1)
    if len(raw) > LONGEST_UNPACKED:
        raise OverflowError(f"it has more than {LONGEST_UNPACKED} bytes when it is unpacked")
    return raw.decode()
