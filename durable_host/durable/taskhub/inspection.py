"""What the dashboard shows of a task hub besides its instances: its partitions and its queues."""

from typing import Literal, Protocol, runtime_checkable

import msgspec


class HubPartition(msgspec.Struct, frozen=True, kw_only=True):
    """A partition: its control queue, and the worker that owns it until `expires` (ticks). `is_own`: this process."""

    queue: str
    owner: str | None
    is_own: bool
    expires: int | None


class HubQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A queue of the hub. The numbers are None if the queue is in a storage account, which has to be asked."""

    name: str
    role: Literal["control", "workItem"]
    partition: int | None = None
    visible: int | None = None
    invisible: int | None = None
    oldest: int | None = None


class HubMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a queue of the hub. `text` is JSON; `inserted` is in ticks."""

    id: str
    text: str
    inserted: int | None
    dequeue_count: int


@runtime_checkable
class InspectableHub(Protocol):
    """Both adapters implement it. Nothing is received or changed. Raises `TaskHubUnavailable`."""

    async def partitions(self) -> list[HubPartition]:
        """Return the partitions, in order."""
        ...

    async def queues(self) -> list[HubQueue]:
        """Return the queues, control queues first."""
        ...

    async def peek(self, queue: str, count: int) -> list[HubMessage]:
        """Return the oldest visible messages of a queue that is not in a storage account."""
        ...
