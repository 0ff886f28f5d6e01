"""The record shared by everything that receives messages of one hub.

Source: docs/protocol/task-hub-storage-queues.md#poll-back-off
"""

from dataclasses import dataclass

from durable_host.clock import Clock
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.message_reader import MessageReader
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.storage import PollBackoff, QueueService

_SHORTEST_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Reception:
    """The parts that receive messages.

    They come from `queues`, are decoded by `reader`, kept in `held`, and delivered by `deliveries`. Storage faults are
    reported to `outage`.
    """

    queues: QueueService
    names: HubNames
    options: AzureTaskHubOptions
    clock: Clock
    reader: MessageReader
    held: HeldMessages
    deliveries: Deliveries
    outage: Outage

    def poll_backoff(self) -> PollBackoff:
        """Return the back-off of one poller."""
        return PollBackoff(_SHORTEST_PAUSE, self.options.max_polling_interval, immediate=1)
