"""Sends what a commit owes: messages to queues, activities directly to this process."""

import logging
from collections import Counter
from collections.abc import Container, Sequence

from durable_host.clock import Clock
from durable_host.durable.engine.undeliverable import in_place_of
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.attempts import MAX_REFUSALS, Attempts
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.direct_work import DirectWork, request_key
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.sender import MessageSender
from durable_host.durable.taskhub.azure.unavailable import is_about_data
from durable_host.durable.taskhub.azure.unsettled import UnsettledInstance
from durable_host.storage import StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")


class Outgoing:
    """Sends messages, waiting out outages. If storage rejects a call, the caller gets an error as its answer."""

    def __init__(
        self, sender: MessageSender, deliveries: Deliveries, direct: DirectWork, outage: Outage, clock: Clock
    ) -> None:
        self._sender = sender
        self._deliveries = deliveries
        self._direct = direct
        self._outage = outage
        self._clock = clock

    def split(
        self, messages: Sequence[TaskMessage], instance: OrchestrationInstance, ids: Container[int] | None = None
    ) -> tuple[list[TaskMessage], list[TaskMessage]]:
        """Return the messages to put, and the activities of the current execution that need no queue.

        Activities need no queue while this host is alone; with `ids`, only those activities.
        """
        put: list[TaskMessage] = []
        direct: list[TaskMessage] = []
        for one in messages:
            is_one = one.is_activity and (ids is None or one.event.event_id in ids)
            (direct if is_one and self._deliveries.is_alone and one.sender == instance else put).append(one)
        return put, direct

    async def send(self, instance_id: str, messages: Sequence[TaskMessage]) -> None:
        """Put messages of an instance into their queues."""
        left = list(messages)
        refusals: Counter[int] = Counter()
        with Attempts(self._outage, f"messages of '{instance_id}'") as attempts:
            while left:
                failed = await self._sender.send_each(left)
                if not failed:
                    attempts.succeeded()
                    return
                attempts.failed(failed[0][1])
                left.clear()
                for message, error in failed:
                    refusals[id(message)] += is_about_data(error)
                    if refusals[id(message)] != MAX_REFUSALS:
                        left.append(message)
                    elif (reply := self._refused(message, error)) is not None:
                        left.append(reply)
                await attempts.pause()

    async def begin(self, instance: UnsettledInstance, activities: Sequence[TaskMessage]) -> None:
        """Run activities in this process, or put them into their queue if it is no longer alone."""
        if not activities:
            return
        if self._deliveries.is_alone:
            for message in activities:
                self._direct.begin(message)
            return
        for message in activities:
            instance.direct_activities.pop(request_key(message), None)
        await self.send(instance.instance_id, activities)

    def _refused(self, message: TaskMessage, error: StorageError) -> TaskMessage | None:
        _log.error(
            "A message (%s) of instance '%s' for '%s' was refused. Its caller gets an error instead: %s",
            message.event.event_name,
            message.sender.instance_id,
            message.target.instance_id,
            error,
            extra={"instance_id": message.sender.instance_id},
        )
        return in_place_of(message, f"It could not be stored: {error}", now=self._clock.now())
