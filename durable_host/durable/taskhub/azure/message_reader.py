"""Decodes queue messages into task messages. Unreadable messages are set aside.

Source: docs/protocol/task-hub-storage-messages.md#large-messages,
    docs/protocol/task-hub-storage-queues.md#unreadable-messages
"""

import logging
from collections import OrderedDict

import msgspec

from durable_host import timestamp
from durable_host.clock import Clock
from durable_host.durable.model.events import ExecutionStarted, TimerFired
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub import validity
from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.abandon_delay import abandon_delay, delay_after_error
from durable_host.durable.taskhub.azure.envelope import UnreadableMessage
from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads, UnreadablePayload
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.set_aside import SetAside
from durable_host.durable.taskhub.validity import InvalidHubMessage
from durable_host.storage import QueueMessage, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_REMEMBERED = 10_000
_BLOBS = "blobs of large messages"
_ASIDE = "unreadable messages"
_LONGEST_REASON = 500
_EARLIEST = timestamp.parse("1601-01-01T00:00:00Z")


class DecodedMessage:
    """A readable message, and its position among the messages of its sender."""

    __slots__ = ("sequence_number", "task")

    def __init__(self, task: TaskMessage, sequence_number: int) -> None:
        self.task = task
        self.sequence_number = sequence_number


class MessageReader:
    """Decodes messages and their blobs. `work_items` is the queue of activity requests."""

    def __init__(
        self,
        payloads: LargePayloads,
        aside: SetAside,
        held: HeldMessages,
        outage: Outage,
        clock: Clock,
        work_items: str,
    ) -> None:
        self._payloads = payloads
        self._aside = aside
        self._held = held
        self._outage = outage
        self._clock = clock
        self._work_items = work_items
        self._warned: OrderedDict[str, None] = OrderedDict()

    async def read(self, queue: str, got: QueueMessage, held: HeldHubMessage) -> DecodedMessage | None:
        """Return the message, or None if it was set aside, or released because storage does not respond."""
        try:
            return await self._decode(queue, got)
        except StorageError as error:
            self._outage.failed(_BLOBS, error)
            await self._held.release([held], delay_after_error(got.dequeue_count, error))
        except (UnreadableMessage, UnreadablePayload, InvalidHubMessage) as problem:
            await self._set_aside(queue, got, held, _plain(str(problem)))
        return None

    async def _decode(self, queue: str, got: QueueMessage) -> DecodedMessage:
        read = envelope.from_text(got.text)
        if read.compressed_blob_name is not None:
            text = await self._payloads.get(read.compressed_blob_name)
            self._outage.recovered(_BLOBS)
            read = envelope.from_json(text)
        if read.message is None:
            raise UnreadableMessage("its blob contains another pointer")
        validity.check(read.message, is_work_item=queue == self._work_items)
        return DecodedMessage(_storable(read.message, got.insertion_time), read.sequence_number)

    async def _set_aside(self, queue: str, got: QueueMessage, held: HeldHubMessage, reason: str) -> None:
        try:
            await self._aside.put(queue, got, reason, self._clock.now())
        except StorageError as error:
            if error.is_outage:
                self._outage.failed(_ASIDE, error)
                await self._held.release([held], delay_after_error(got.dequeue_count, error))
                return
            self._warn(
                got,
                f"A message in queue '{queue}' cannot be read and stays there: {reason}. It could not be put into the "
                f"container '{self._aside.container}': {error}",
            )
            await self._held.release([held], abandon_delay(got.dequeue_count))
            return
        self._outage.recovered(_ASIDE)
        self._warn(
            got,
            f"A message in queue '{queue}' cannot be read and was set aside in the container "
            f"'{self._aside.container}': {reason}",
        )
        self._held.delete_later(held)

    def _warn(self, got: QueueMessage, text: str) -> None:
        if got.id in self._warned:
            return
        self._warned[got.id] = None
        if len(self._warned) > _REMEMBERED:
            self._warned.popitem(last=False)
        _log.warning("%s. Message ID %s, dequeued %d times.", text, got.id, got.dequeue_count)


def _storable(message: TaskMessage, arrived: int) -> TaskMessage:
    """Return the message with times that a table can store. Azure rejects years before 1601, and no time is year 1."""
    event = message.event
    early: dict[str, int] = {}
    if event.timestamp < _EARLIEST:
        early["timestamp"] = arrived
    if isinstance(event, TimerFired) and event.fire_at < _EARLIEST:
        early["fire_at"] = _EARLIEST
    if isinstance(event, ExecutionStarted) and (event.scheduled_start_time or _EARLIEST) < _EARLIEST:
        early["scheduled_start_time"] = _EARLIEST
    if not early:
        return message
    return msgspec.structs.replace(message, event=msgspec.structs.replace(event, **early))


def _plain(reason: str) -> str:
    """Return a reason as a single log line: it may quote content of the message."""
    text = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
