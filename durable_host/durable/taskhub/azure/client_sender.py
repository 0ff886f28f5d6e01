"""Sends the messages of clients, and delivers those to this process's own queues while their put is on its way.

So the orchestrator's turn and its commit overlap with the put. The caller gets its answer when the message is durable:
it is in its queue, or a commit has consumed it. If it is neither, it is withdrawn.

Source: docs/protocol/task-hub-storage-additions.md#messages-to-itself
"""

import asyncio
from contextlib import suppress

from durable_host.durable.model.events import EventRaised, ExecutionResumed, ExecutionSuspended, ExecutionTerminated
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.held_hub_message import held_of
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.sender import MessageSender, PreparedMessage
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.storage import LeasedMessage, QueueService, StorageError

_PATIENCE = 10.0
"""How long (seconds) a caller whose put has failed waits for the commit that is being written."""
_OF_CLIENTS = (EventRaised, ExecutionResumed, ExecutionSuspended, ExecutionTerminated)


class ClientSender:
    """Sends control messages of clients. Messages of one caller are delivered in the order in which they are sent."""

    def __init__(self, queues: QueueService, sender: MessageSender, deliveries: Deliveries, held: HeldMessages) -> None:
        self._queues = queues
        self._sender = sender
        self._deliveries = deliveries
        self._held = held

    async def send(self, message: TaskMessage) -> None:
        """Send one message. Raises StorageError if it may not have been sent, or it is not known in time."""
        prepared = await self._sender.prepare(message)
        hidden = self._deliveries.claim(prepared.queue) if self._is_for_this_process(prepared.message) else None
        received = self._deliveries.expect(prepared.queue, prepared.message, hidden) if hidden is not None else None
        if hidden is None or received is None:
            await self._sender.hand_over(await self._sender.put_prepared(prepared))
        else:
            await self._put_delivered(prepared, received, hidden)

    def _is_for_this_process(self, message: TaskMessage) -> bool:
        """False for messages that workers of another backend may get, because these do not know copies."""
        return (
            isinstance(message.event, _OF_CLIENTS)
            and message.due is None
            and not self._deliveries.is_official_order
            and self._sender.can_be_delivered(message)
        )

    async def _put_delivered(self, prepared: PreparedMessage, received: ReceivedMessage, hidden: float) -> None:
        """Put a message that was delivered."""
        held = held_of(received)
        assert held.put is not None
        try:
            put = await self._queues.put(prepared.queue, prepared.text, visibility=hidden, ttl=-1)
        except BaseException as error:
            held.put.failed()
            try:
                if isinstance(error, StorageError):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_PATIENCE):
                            await held.put.decided()
            finally:
                self._deliveries.missing(received)
            if not held.put.is_durable or not isinstance(error, StorageError):
                raise
        else:
            seconds = self._deliveries.arrived(received, LeasedMessage(prepared.queue, put, hidden))
            if seconds is not None:
                with suppress(StorageError):
                    await self._held.hide(held, seconds)
