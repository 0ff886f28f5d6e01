"""Loses partitions, as if their leases had expired."""

from typing import Protocol, runtime_checkable

from durable_host.chaos.injector import Injector
from durable_host.clock import Clock

_INTERVAL = 10.0
"""Seconds between renewals of leases."""


@runtime_checkable
class LeasesPartitions(Protocol):
    """A hub whose partitions are leased."""

    @property
    def owned_partitions(self) -> frozenset[str]:
        """The control queues that this process serves."""
        ...

    async def lose_partition(self, queue: str) -> None:
        """Stop serving a control queue at once, as if its lease was lost. It is soon acquired again."""
        ...


class PartitionLosses:
    """Asks the injector about each partition, as often as leases are renewed."""

    def __init__(self, hub: LeasesPartitions, injector: Injector, clock: Clock) -> None:
        self._hub = hub
        self._injector = injector
        self._clock = clock

    async def run(self) -> None:
        """Lose partitions until cancelled."""
        while True:
            await self._clock.sleep(_INTERVAL)
            for queue in sorted(self._hub.owned_partitions):
                if self._injector.happens("lose-lease", f"lease of control queue '{queue}'"):
                    await self._hub.lose_partition(queue)
