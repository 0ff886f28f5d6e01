"""A message that a listener has received but not settled."""

from dataclasses import dataclass

from durable_host.storage import LeasedMessage, QueueMessage


@dataclass(frozen=True, slots=True, eq=False)
class HeldMessage:
    """A received message and its lease."""

    message: QueueMessage
    lease: LeasedMessage
