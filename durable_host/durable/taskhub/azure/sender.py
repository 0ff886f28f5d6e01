"""Sends messages: encodes them, stores large ones in blobs, puts them, and delivers them to this process's own inbox.

Source: docs/protocol/task-hub-storage-messages.md#text-encoding,
    docs/protocol/task-hub-storage-messages.md#large-messages,
    docs/protocol/task-hub-storage-messages.md#message-delays,
    docs/protocol/task-hub-storage-additions.md#messages-to-itself
"""

from collections.abc import Sequence
from itertools import count

import msgspec

from durable_host.clock import Clock
from durable_host.durable.model import identity
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub import validity
from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.deliveries import MAX_VISIBILITY, Deliveries
from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.durable.taskhub.validity import InvalidHubMessage
from durable_host.storage import LeasedMessage, PutMessage, QueueService, StorageError
from durable_host.storage.bounded import for_each
from durable_host.timestamp import TICKS_PER_SECOND

_NEVER_LARGE = envelope.LARGE_MESSAGE_BYTES // 4


class PreparedMessage(msgspec.Struct, frozen=True):
    """A message that is ready to be put. `blob` is the existing blob with its content, or None."""

    queue: str
    message: TaskMessage
    text: str
    blob: str | None


class SentMessage(msgspec.Struct, frozen=True):
    """A message that is in its queue. `hidden` is set when this process takes it itself."""

    queue: str
    message: TaskMessage
    put: PutMessage
    hidden: float | None


class MessageSender:
    """Puts messages. They are numbered in the order in which they are passed in."""

    def __init__(
        self,
        queues: QueueService,
        names: HubNames,
        options: AzureTaskHubOptions,
        clock: Clock,
        payloads: LargePayloads,
        deliveries: Deliveries,
        held: HeldMessages,
    ) -> None:
        self._queues = queues
        self._names = names
        self._options = options
        self._clock = clock
        self._payloads = payloads
        self._deliveries = deliveries
        self._held = held
        self._sequence = count(1)

    async def send(self, message: TaskMessage) -> None:
        """Send one message. If this process serves its queue, the message is in the inbox on return."""
        await self.hand_over(await self.put(message))

    async def send_all(self, messages: Sequence[TaskMessage]) -> None:
        """Send several messages concurrently.

        Activity requests reach the inbox one by one; control messages reach it in the given order after all were put.
        """
        if len(messages) == 1:
            await self.send(messages[0])
            return
        numbered = [(next(self._sequence), message) for message in messages]
        controls: dict[int, SentMessage] = {}

        async def one(item: tuple[int, TaskMessage]) -> None:
            number, message = item
            sent = await self.put(message, number)
            if message.is_activity:
                await self.hand_over(sent)
            else:
                controls[number] = sent

        try:
            await for_each(numbered, one, self._options.send_concurrency)
        finally:
            for number in sorted(controls):
                await self.hand_over(controls[number])

    async def send_each(self, messages: Sequence[TaskMessage]) -> list[tuple[TaskMessage, StorageError]]:
        """Send like `send_all`, but let no failure affect other messages. Return the failed ones with their errors."""
        failed: dict[int, tuple[TaskMessage, StorageError]] = {}
        sent: dict[int, SentMessage] = {}

        async def one(item: tuple[int, int, TaskMessage]) -> None:
            place, number, message = item
            try:
                sent[place] = await self.put(message, number)
            except StorageError as error:
                failed[place] = message, error

        numbered = [(place, next(self._sequence), message) for place, message in enumerate(messages)]
        try:
            await for_each(numbered, one, self._options.send_concurrency)
        finally:
            for place in sorted(sent):
                await self.hand_over(sent[place])
        return [failed[place] for place in sorted(failed)]

    async def prepare(self, message: TaskMessage, number: int | None = None) -> PreparedMessage:
        """Do everything before the put. The message then has an identity that stays the same for every put."""
        if message.id is None:
            message = msgspec.structs.replace(message, id=identity.new())
        text = envelope.encode(message, number or next(self._sequence))
        blob = None
        if len(text) > _NEVER_LARGE and len(text.encode()) > envelope.LARGE_MESSAGE_BYTES:
            blob = envelope.blob_name(message)
            await self._payloads.put(blob, text)
            text = envelope.encode_pointer(blob)
        if self._options.writes_base64:
            text = envelope.to_text(text, as_base64=True)
        is_activity = message.is_activity
        queue = self._names.work_items if is_activity else self._names.queue_of(message.target.instance_id)
        return PreparedMessage(queue, message, text, blob)

    async def put(self, message: TaskMessage, number: int | None = None, *, hidden: float | None = None) -> SentMessage:
        """Put a message into its queue without delivering it.

        With `hidden` (seconds), the message is not for this process, or this process already holds it.
        """
        return await self.put_prepared(await self.prepare(message, number), hidden=hidden)

    async def put_prepared(self, prepared: PreparedMessage, *, hidden: float | None = None) -> SentMessage:
        """Put a prepared message into its queue without delivering it. See `put` for `hidden`."""
        queue, message = prepared.queue, prepared.message
        due = message.due
        claimed = None
        if hidden is None:
            claimed = self._deliveries.claim(queue) if self.can_be_delivered(message) else None
            hidden = claimed or 0.0
        if due is not None:
            delay = (due - self._clock.now()) / TICKS_PER_SECOND
            if delay > 0:
                hidden = min(delay, MAX_VISIBILITY)
        try:
            put = await self._queues.put(queue, prepared.text, visibility=hidden, ttl=-1)
        except BaseException:
            if claimed is not None:
                self._deliveries.release_claim(queue)
            raise
        return SentMessage(queue, message, put, hidden if claimed is not None else None)

    def can_be_delivered(self, message: TaskMessage) -> bool:
        """False for a message that its receiver, even this process, has to set aside."""
        try:
            validity.check(message, is_work_item=message.is_activity)
        except InvalidHubMessage:
            return False
        return True

    async def hand_over(self, sent: SentMessage) -> None:
        """Deliver the message to this process if it has claimed it."""
        if sent.hidden is None:
            return
        self._deliveries.release_claim(sent.queue)
        if self._deliveries.may_still_accept(sent.queue):
            self._deliveries.accept(sent.queue, sent.message, sent.put, sent.hidden)
        elif sent.message.due is None:
            await self._held.release([HeldHubMessage(LeasedMessage(sent.queue, sent.put, 0.0))])
