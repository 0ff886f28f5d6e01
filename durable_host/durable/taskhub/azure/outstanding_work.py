"""Hands outstanding work to other workers: when the worker role ends, and when a partition moves."""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from durable_host.durable.taskhub.azure.commits import Commits
from durable_host.durable.taskhub.azure.handover import Handover
from durable_host.durable.taskhub.azure.marks import Marks
from durable_host.durable.taskhub.azure.unsettled import UnsettledInstances
from durable_host.storage import StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_SETTLE_PATIENCE = 20.0


class OutstandingWork(NamedTuple):
    """Commits, what they owe, and work that is in no queue."""

    commits: Commits
    marks: Marks
    handover: Handover
    unsettled: UnsettledInstances

    async def hand_over(self, includes: Callable[[str], bool] = lambda _: True, *, is_end: bool = False) -> None:
        """Put the work of the instances for which `includes` is true where other workers find it, and clear its marks.

        With `is_end`, activities that are still running are also put.
        """
        try:
            async with asyncio.timeout(_SETTLE_PATIENCE):
                await self.commits.drain(includes)
                await self.handover.put_activities(includes, is_end=is_end)
                await self.handover.put_results(includes)
                await self.marks.clear(includes)
        except (StorageError, TimeoutError) as error:
            self.handover.forget(includes)
            _log.warning(
                "This host could not put its unfinished work into the queues of the task hub. The next host will "
                "find it in the tables. %s",
                error or f"The storage did not accept it within {_SETTLE_PATIENCE:.0f} s.",
            )
