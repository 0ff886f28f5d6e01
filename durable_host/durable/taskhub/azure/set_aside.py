"""Unreadable messages, moved out of their queue into a container together with the reason.

There is one JSON blob per message, `<queue>/<message ID>.json`. The official backend leaves such messages in the queue
forever and has no such container.

Source: docs/protocol/task-hub-storage-additions.md#unreadable-container
"""

import json
from collections import Counter

from durable_host import timestamp
from durable_host.storage import BlobService, NotFound, QueueMessage


class SetAside:
    """The container of a hub's unreadable messages, created for the first one."""

    def __init__(self, blobs: BlobService, container: str) -> None:
        self._blobs = blobs
        self.container = container

    async def put(self, queue: str, got: QueueMessage, reason: str, now: int) -> None:
        """Store a message. If repeated after a crash, the same blob is written. Raises StorageError."""
        record = {
            "queue": queue,
            "messageId": got.id,
            "reason": reason,
            "setAsideTime": timestamp.to_text(now),
            "insertionTime": timestamp.to_text(got.insertion_time),
            "dequeueCount": got.dequeue_count,
            "text": got.text,
        }
        name, content = f"{queue}/{got.id}.json", json.dumps(record, indent=1).encode()
        try:
            await self._blobs.put(self.container, name, content, content_type="application/json")
        except NotFound:
            await self._blobs.create_container(self.container)
            await self._blobs.put(self.container, name, content, content_type="application/json")

    async def counts(self) -> dict[str, int]:
        """Return the number of messages by queue name. Raises StorageError."""
        try:
            names = [blob.name async for blob in self._blobs.list(self.container)]
        except NotFound:
            return {}
        return dict(Counter(name.partition("/")[0] for name in names))

    async def drop(self) -> None:
        """Delete the container."""
        await self._blobs.delete_container(self.container)
