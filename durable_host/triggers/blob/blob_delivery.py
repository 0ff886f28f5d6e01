"""Runs the function for an internal message, and moves the message to the poison queue if it fails too often.

Retries follow immediately, while the host holds the message. After a host was killed, the count of tries continues.

Source: docs/protocol/functions-host-blobs.md#blob-delivery
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from durable_host.bindings.accounts import account_key
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.storage.account import StorageAccount
from durable_host.storage.blobs import Blob
from durable_host.storage.errors import NotFound, StorageError, StorageUnavailable
from durable_host.storage.queue_xml import QueueMessage
from durable_host.triggers.blob.message import POISON_QUEUE, BlobTriggerMessage, InvalidBlobMessage, from_text
from durable_host.triggers.blob.target import EVENT_GRID, BlobTarget

_log = logging.getLogger("Host.Triggers.Blob")

OUTAGE_SECONDS = 1.0

RunBlob = Callable[[BlobTarget, Blob, QueueMessage], Awaitable[None]]
"""Runs the function once. An exception means that it failed, which has been logged."""


class BlobDelivery:
    """Delivers internal messages. `changed` is notified of blobs that have changed; `host` is the host's account."""

    def __init__(
        self,
        targets: Mapping[str, BlobTarget],
        run: RunBlob,
        *,
        host: StorageAccount,
        signals: QueueSignals,
        changed: Callable[[str, str, str], None],
        most_tries: int,
    ) -> None:
        self._targets = targets
        self._run = run
        self._host = host
        self._signals = signals
        self._changed = changed
        self._most_tries = most_tries

    async def deliver(self, message: QueueMessage, content: bytes) -> None:
        """Process a message. Returns when it is done and may be deleted."""
        try:
            order = from_text(content)
        except InvalidBlobMessage as error:
            _log.warning("The message '%s' is not a message of a blob trigger: %s.", message.id, error)
            await self._poison(message, None)
            return
        target = self._targets.get(order.function_id)
        if target is None:
            _log.debug("The message '%s' is for '%s', which is not served.", message.id, order.function_id)
            return
        for count in range(message.dequeue_count, self._most_tries + 1):
            if await self._try(target, order, msgspec.structs.replace(message, dequeue_count=count)):
                return
        await self._poison(message, target)

    async def _try(self, target: BlobTarget, order: BlobTriggerMessage, message: QueueMessage) -> bool:
        """Try once. True if there is nothing more to do."""
        try:
            blob = await self._read(target, order)
        except StorageError as error:
            _log.error("The blob '%s/%s' cannot be read: %s", order.container, order.name, error)
            return False
        if blob is None:
            _log.debug("The blob '%s/%s' is gone.", order.container, order.name)
            return True
        if target.source != EVENT_GRID and blob.etag != order.etag:
            self._changed(target.endpoint, order.container, order.name)
            return True
        try:
            await self._run(target, blob, message)
        except Exception as error:
            _log.debug("The function '%s' failed: %s", target.function.name, error)
            return False
        return True

    async def _read(self, target: BlobTarget, order: BlobTriggerMessage) -> Blob | None:
        while True:
            try:
                if not target.function.trigger.is_deferred:
                    return await target.account.blobs.get(order.container, order.name)
                properties = await target.account.blobs.head(order.container, order.name)
                return None if properties is None else Blob(b"", properties)
            except StorageUnavailable as error:
                _log.debug("The blob '%s/%s' cannot be read now: %s", order.container, order.name, error)
            await asyncio.sleep(OUTAGE_SECONDS)

    async def _poison(self, message: QueueMessage, target: BlobTarget | None) -> None:
        """Move the message to the poison queue in the blob's account, or in the host's if that one has no queues."""
        account = self._host
        if target is not None and target.account.connection.queue_endpoint:
            account = target.account
        if target is not None:
            _log.warning(
                "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
                self._most_tries,
                POISON_QUEUE,
            )
        level = logging.WARNING
        while True:
            try:
                await _put(account, POISON_QUEUE, message.text)
                break
            except StorageError as error:
                _log.log(level, "The message '%s' cannot be moved to '%s': %s", message.id, POISON_QUEUE, error)
                level = logging.DEBUG
            await asyncio.sleep(OUTAGE_SECONDS)
        self._signals.notify(account_key(account), POISON_QUEUE)


async def _put(account: StorageAccount, queue: str, text: str) -> None:
    try:
        await account.queues.put(queue, text)
    except NotFound:
        await account.queues.create(queue)
        await account.queues.put(queue, text)
