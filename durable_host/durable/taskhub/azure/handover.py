"""Work that lies in no queue goes where others find it: when another host appears, and when this one stops."""

import time
from collections.abc import Callable

from durable_host.durable.taskhub.azure.bounded import for_each
from durable_host.durable.taskhub.azure.deliveries import Deliveries, held_of
from durable_host.durable.taskhub.azure.direct_work import DirectWork, request_key, result_key
from durable_host.durable.taskhub.azure.held import Stage
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.sender import Sender
from durable_host.durable.taskhub.azure.standing import Standings
from durable_host.durable.taskhub.port import ReceivedMessage

_PARALLEL = 8


class Handover:
    """Puts activities and results of this process into queues."""

    def __init__(
        self, sender: Sender, held: HeldMessages, deliveries: Deliveries, direct: DirectWork, standings: Standings
    ) -> None:
        self._sender = sender
        self._held = held
        self._deliveries = deliveries
        self._direct = direct
        self._standings = standings

    async def put_activities(self, of: Callable[[str], bool] = lambda _: True, *, is_end: bool = False) -> None:
        """Put the activities of the instances that `of` names, whether they wait or run.

        Those that run stay in the hands of this process, but at the end of it: then all can be seen by others at once.
        """

        async def put(received: ReceivedMessage) -> None:
            message, held = received.message, held_of(received)
            waits = self._deliveries.activities.remove_where(lambda one: held_of(one) is held)
            runs = not waits and not is_end
            hold = self._deliveries.activity_hold
            sent = await self._sender.put(message, hidden=hold if runs else 0.0)
            if runs and held.stage is Stage.HELD:
                held.queue, held.id, held.receipt = sent.queue, sent.put.id, sent.put.pop_receipt
                held.hidden_until = time.monotonic() + hold
                self._held.take(held)
            self._standings.out_of_hand(request_key(message))

        await for_each(self._direct.take_requests(lambda message: of(message.target.instance_id)), put, _PARALLEL)

    async def put_results(self, of: Callable[[str], bool] = lambda _: True) -> None:
        """Put results that no commit has consumed."""

        async def put(received: ReceivedMessage) -> None:
            message = received.message
            self._deliveries.control.remove_where(lambda one: one.id == received.id)
            await self._sender.put(message, hidden=0.0)
            self._held.delete_later(held_of(received))
            self._standings.out_of_hand(result_key(message))

        await for_each(self._direct.take_results(lambda message: of(message.target.instance_id)), put, _PARALLEL)

    async def put(self, received: ReceivedMessage) -> None:
        """Put one message that this process does not deliver again."""
        key = self._direct.done(received)
        if key is not None:
            self._standings.out_of_hand(key)
            await self._sender.put(received.message, hidden=0.0)
