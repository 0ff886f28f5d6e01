"""Messages that nobody can read: taken out of their queue and kept in a container, with the reason.

One JSON blob per message, `<queue>/<message ID>.json`. The official backend leaves such messages in the queue forever,
and has no such container.

Source: docs/protocol/task-hub-storage-additions.md#unreadable-container
"""

import json
from collections import Counter

from durable_host import timestamp
from durable_host.storage import BlobService, NotFound, QueueMessage


class SetAside:
    """The container of a hub's unreadable messages; it is created by the first of them."""

    def __init__(self, blobs: BlobService, container: str) -> None:
        self._blobs = blobs
        self.container = container

    async def put(self, queue: str, got: QueueMessage, reason: str, now: int) -> None:
        """Keep a message; again after a crash, in the same place. Raises StorageError."""
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
        """Number of messages by the name of their queue. Raises StorageError."""
        try:
            names = [blob.name async for blob in self._blobs.list(self.container)]
        except NotFound:
            return {}
        return dict(Counter(name.partition("/")[0] for name in names))

    async def drop(self) -> None:
        """Delete the container."""
        await self._blobs.delete_container(self.container)
