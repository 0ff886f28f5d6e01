"""Owed messages that cannot be derived from history rows: the `OwedMessages` column of the sentinel, or a blob it
names.

Source: docs/protocol/task-hub-storage-additions.md#owed-work
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Sequence

import msgspec

from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.envelope import UnreadableMessage
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads, UnreadablePayload, is_large
from durable_host.durable.taskhub.azure.unsettled import IN_BLOB, AzureCheckpoint
from durable_host.storage import StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")


class OwedMessages:
    """Writes and reads the column. Blobs that are no longer needed are deleted in the background."""

    def __init__(self, payloads: LargePayloads) -> None:
        self._payloads = payloads
        self._deletes: set[asyncio.Task[None]] = set()

    async def write(self, instance_id: str, messages: Sequence[TaskMessage]) -> str:
        """Return the text for the column."""
        texts = [envelope.encode(message, number) for number, message in enumerate(messages)]
        text = msgspec.json.encode(texts).decode()
        if not is_large(text):
            return text
        name = f"{instance_id}/owed-{uuid.uuid4().hex}.json.gz"
        await self._payloads.put(name, text)
        return IN_BLOB + name

    async def read(self, text: str) -> list[TaskMessage]:
        """Return the messages of a column. If it cannot be read, log an error and return none."""
        try:
            if text.startswith(IN_BLOB):
                text = await self._payloads.get(text.removeprefix(IN_BLOB))
            texts = msgspec.json.decode(text, type=list[str]) if text else []
            read = [envelope.from_text(one).message for one in texts]
        except (msgspec.MsgspecError, UnreadableMessage, UnreadablePayload) as problem:
            _log.error("Messages that a commit still has to send cannot be read: %s", problem)
            return []
        return [message for message in read if message is not None]

    def delete_blob_of(self, checkpoint: AzureCheckpoint | None) -> None:
        """Delete the blob of a commit that owes nothing more and that the sentinel no longer names."""
        if checkpoint is not None and checkpoint.messages_blob is not None:
            task = asyncio.get_running_loop().create_task(self._delete(checkpoint.messages_blob))
            checkpoint.messages_blob = None
            self._deletes.add(task)
            task.add_done_callback(self._deletes.discard)

    async def drain(self) -> None:
        """Wait for deletes in progress."""
        while self._deletes:
            await asyncio.wait(set(self._deletes))

    async def _delete(self, name: str) -> None:
        with contextlib.suppress(StorageError):  # A purge deletes what remains.
            await self._payloads.delete([name])
