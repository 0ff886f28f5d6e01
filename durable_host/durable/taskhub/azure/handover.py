"""Puts work that is in no queue where other hosts find it: when another host appears, and when this one stops.

Source: docs/protocol/task-hub-storage-additions.md#activities-without-messages,
    docs/protocol/task-hub-storage-additions.md#other-workers
"""

import asyncio
import logging
from collections.abc import Callable

from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.attempts import Attempts
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.direct_work import DirectWork, request_key, result_key
from durable_host.durable.taskhub.azure.held_hub_message import Stage, held_of
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.outgoing import Outgoing
from durable_host.durable.taskhub.azure.sender import MessageSender, SentMessage
from durable_host.durable.taskhub.azure.unavailable import is_about_data
from durable_host.durable.taskhub.azure.unsettled import UnsettledInstances
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.storage import LeasedMessage, StorageError
from durable_host.storage.bounded import for_each

_log = logging.getLogger("Host.Triggers.DurableTask")
_PARALLEL = 8


class Handover:
    """Puts activities and results of this process into queues, waiting out outages."""

    def __init__(
        self,
        sender: MessageSender,
        outgoing: Outgoing,
        held: HeldMessages,
        deliveries: Deliveries,
        direct: DirectWork,
        unsettled: UnsettledInstances,
        outage: Outage,
    ) -> None:
        self._sender = sender
        self._outgoing = outgoing
        self._held = held
        self._deliveries = deliveries
        self._direct = direct
        self._unsettled = unsettled
        self._outage = outage
        self._turn = asyncio.Lock()

    async def put_activities(self, includes: Callable[[str], bool] = lambda _: True, *, is_end: bool = False) -> None:
        """Put the waiting and running activities of the instances for which `includes` is true into their queue.

        Running activities stay hidden and held by this process, unless `is_end`: then other workers can see all of them
        at once.
        """
        async with self._turn:
            await self._put_activities(includes, is_end)

    async def _put_activities(self, includes: Callable[[str], bool], is_end: bool) -> None:
        requests = self._direct.requests(includes)
        found = {held_of(one) for one in requests}
        waiting = {held_of(one) for one in self._deliveries.activities.remove_where(lambda one: held_of(one) in found)}

        async def put(received: ReceivedMessage) -> None:
            message, held = received.message, held_of(received)
            if not self._direct.knows(received):
                return  # Answered in the meantime.
            runs = held not in waiting and not is_end
            hold = self._deliveries.activity_hold if runs else 0.0
            sent = await self._put(message, hold)
            self._direct.done(received)
            if runs and sent is not None and held.stage is Stage.HELD:
                held.lease = LeasedMessage(sent.queue, sent.put, hold)
                self._held.take(held)
            self._unsettled.forget_activity(request_key(message))

        await for_each(requests, put, _PARALLEL)

    async def put_results(self, includes: Callable[[str], bool] = lambda _: True) -> None:
        """Put results that no commit has consumed into their queues."""
        results = self._direct.results(includes)
        found = {one.id for one in results}
        self._deliveries.control.remove_where(lambda one: one.id in found)

        async def put(received: ReceivedMessage) -> None:
            await self._put(received.message, 0.0)
            self._direct.done(received)
            self._held.delete_later(held_of(received))
            self._unsettled.forget_activity(result_key(received.message))

        await for_each(results, put, _PARALLEL)

    def forget(self, includes: Callable[[str], bool]) -> None:
        """Forget work that could not be put. The next host finds it through the mark."""
        for received in (*self._direct.requests(includes), *self._direct.results(includes)):
            self._direct.done(received)

    async def put(self, received: ReceivedMessage) -> None:
        """Put a message that this process does not deliver again. If that fails, the next host finds it through the
        mark.
        """
        key = self._direct.done(received)
        if key is None:
            return
        try:
            await self._sender.put(received.message, hidden=0.0)
        except StorageError as error:
            _log.debug("Work of '%s' could not be put into its queue: %s", key[0], error)
        else:
            self._unsettled.forget_activity(key)

    async def _put(self, message: TaskMessage, hidden: float) -> SentMessage | None:
        """Put a message. Returns None if storage rejects it and a replacement was sent."""
        instance_id = message.target.instance_id
        with Attempts(self._outage, f"work of '{instance_id}'") as attempts:
            while True:
                try:
                    sent = await self._sender.put(message, hidden=hidden)
                except StorageError as error:
                    attempts.failed(error)
                    if is_about_data(error):
                        await self._outgoing.send(instance_id, [message])
                        return None
                    await attempts.pause()
                else:
                    attempts.succeeded()
                    return sent
