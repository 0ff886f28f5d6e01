"""What all that receive messages of one hub share."""

from dataclasses import dataclass

from durable_host.clock import Clock
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.reading import MessageReader
from durable_host.storage import QueueService


@dataclass(frozen=True, slots=True)
class Reception:
    """Messages come out of `queues`, are understood by `reader`, are `held`, and go to their receivers by way of
    `deliveries`; what fails is reported to `outage`.
    """

    queues: QueueService
    names: HubNames
    options: AzureTaskHubOptions
    clock: Clock
    reader: MessageReader
    held: HeldMessages
    deliveries: Deliveries
    outage: Outage
