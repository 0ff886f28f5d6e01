"""A message that a listener has received and not settled."""

from dataclasses import dataclass

from durable_host.storage import LeasedMessage, QueueMessage


@dataclass(frozen=True, slots=True, eq=False)
class HeldMessage:
    """What was received, and the lease on it."""

    message: QueueMessage
    lease: LeasedMessage
