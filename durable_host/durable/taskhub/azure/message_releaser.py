"""Releases messages: this process delivers them again itself, or makes them visible to other workers.

Source: docs/protocol/task-hub-storage-queues.md#released-messages
"""

import logging
from collections.abc import Sequence

from durable_host.clock import Clock
from durable_host.durable.taskhub.azure.abandon_delay import abandon_delay
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.handover import Handover
from durable_host.durable.taskhub.azure.held_hub_message import Stage, held_of
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.storage import StorageError
from durable_host.storage.bounded import for_each
from durable_host.timestamp import TICKS_PER_SECOND

_log = logging.getLogger("Host.Triggers.DurableTask")
_POISON_COUNT = 10
_PARALLEL = 8


class MessageReleaser:
    """Releases messages that were received but not consumed."""

    def __init__(self, deliveries: Deliveries, held: HeldMessages, handover: Handover, clock: Clock) -> None:
        self._deliveries = deliveries
        self._held = held
        self._handover = handover
        self._clock = clock

    async def abandon(self, messages: Sequence[ReceivedMessage], delay: float | None = None) -> None:
        """Release messages for delivery after `delay` seconds, or after the back-off for their dequeue counts."""
        await for_each(messages, lambda message: self._abandon(message, delay), _PARALLEL)

    async def _abandon(self, message: ReceivedMessage, delay: float | None) -> None:
        held, now = held_of(message), self._clock.now()
        if held.put is not None and held.put.has_failed:
            await held.put.decided()
        if held.stage is not Stage.HELD:
            return
        if held.put is not None and held.lease is None and held.put.has_failed:
            self._held.forget(held)
            return
        seconds = abandon_delay(held.dequeue_count) if delay is None else delay
        if delay is None and held.dequeue_count == _POISON_COUNT:
            _log.warning(
                "Poison message: %s for instance '%s' was released %d times (message %s in queue '%s').",
                message.message.event.event_name,
                message.message.target.instance_id,
                held.dequeue_count,
                held.id,
                held.queue,
            )
        if not self._keeps(message):
            if held.queue is None:
                await self._handover.put(message)
            await self._held.release([held], seconds)
            return
        is_activity = message.message.is_activity
        if seconds > 0 or is_activity:
            try:
                hidden = seconds + self._deliveries.activity_hold if is_activity else seconds
                if not await self._held.hide(held, hidden):
                    self._held.forget(held)
                    return
            except StorageError as error:
                _log.debug("Message %s could not be hidden: %s", held.id, error)
        held.dequeue_count += 1
        message.dequeue_count = held.dequeue_count
        if seconds > 0:
            self._deliveries.postpone(message, now + int(seconds * TICKS_PER_SECOND))
        else:
            self._deliveries.deliver_now(message)

    def _keeps(self, message: ReceivedMessage) -> bool:
        """True when this process itself delivers a released message again."""
        if not self._deliveries.running:
            return False
        if message.message.is_activity:
            return self._deliveries.takes_all_activities
        return self._deliveries.serves(message.message.target.instance_id)
