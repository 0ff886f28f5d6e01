"""Purges orchestrations some time after they have ended, in small batches with pauses.

Only one instance is purged at a time, and the pauses leave most of the time of storage to everything else. Entities are
kept: they never end.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from durable_host import timestamp
from durable_host.clock import Clock
from durable_host.config import retention_period
from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.errors import NotTerminal
from durable_host.durable.model.instance import EndedQuery
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Triggers.DurableTask")

BATCH = 10
"""Instances that are purged before a pause."""
PAGE = 1000
"""Instances that are listed at once. In a storage account, each page reads all that have ended."""
_USUAL_PAUSE = 9.0
_PAUSE_WHEN_BEHIND = 3.0
"""Each pause lasts this many times as long as the batch before it: retention works a tenth of the time, or a quarter
while more than a page of instances is due.
"""
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 30.0
_ROUNDS_PER_PERIOD = 10
_SHORTEST_INTERVAL = 1.0
_LONGEST_INTERVAL = 600.0


class Retention:
    """Purges what ended more than `retain` seconds ago, in rounds; None keeps everything.

    `recovered` waits until the work that an earlier process owed is done, because it may need the history of an
    instance that has ended.
    """

    def __init__(
        self, client: DurableClient, clock: Clock, retain: float | None, recovered: Callable[[], Awaitable[None]]
    ) -> None:
        self._client = client
        self._clock = clock
        self._retain = retain
        self._recovered = recovered
        self._tasks = Tasks(_log)

    def start(self) -> None:
        """Begin to purge in the background, if there is anything to do."""
        if (retain := self._retain) is None:
            return
        hub = self._client.hub.name
        _log.info(
            "Retention: instances of the task hub '%s' are purged %s after they have ended",
            hub,
            retention_period.render(retain),
        )
        self._tasks.keep_running("retention", lambda: self._run(retain))

    async def stop(self) -> None:
        """Stop, if necessary within a round."""
        await self._tasks.stop()

    async def _run(self, retain: float) -> None:
        await self._recovered()
        while True:
            try:
                await self.purge_round(ended_before(retain, self._clock.now()))
            except TaskHubUnavailable as error:
                _log.warning("Retention: the task hub '%s' could not be purged: %s", self._client.hub.name, error)
            await self._clock.sleep(seconds_between_rounds(retain))

    async def purge_round(self, ended_to: int) -> int:
        """Purge everything that ended before `ended_to` (ticks), oldest first. Returns the number of instances.

        Raises TaskHubUnavailable.
        """
        query = EndedQuery(ended_to=ended_to, top=PAGE)
        purged = 0
        try:
            while page := await self._client.list_ended(query):
                share = _USUAL_PAUSE if len(page) < PAGE else _PAUSE_WHEN_BEHIND
                for first in range(0, len(page), BATCH):
                    begun = time.monotonic()
                    purged += await self._purge_batch([one for _, one in page[first : first + BATCH]], ended_to)
                    pause = share * (time.monotonic() - begun)
                    await self._clock.sleep(min(max(pause, _SHORTEST_PAUSE), _LONGEST_PAUSE))
                query = EndedQuery(ended_to=ended_to, after=page[-1], top=PAGE)
                if len(page) < PAGE:
                    break
        finally:
            if purged:
                _log.info(
                    "Retention: purged %d instance%s of the task hub '%s' that ended before %s",
                    purged,
                    "" if purged == 1 else "s",
                    self._client.hub.name,
                    timestamp.to_text(ended_to),
                )
        return purged

    async def _purge_batch(self, instance_ids: Sequence[str], ended_to: int) -> int:
        """Purge one after the other. Instances that storage refuses to delete are logged, unless it refuses all."""
        purged = 0
        refused: dict[str, TaskHubUnavailable] = {}
        for instance_id in instance_ids:
            try:
                purged += await self._purge(instance_id, ended_to)
            except TaskHubUnavailable as error:
                refused[instance_id] = error
                if error.is_unreachable or len(refused) == len(instance_ids):
                    raise
        for instance_id, error in refused.items():
            _log.warning("Retention: the instance '%s' was not purged: %s", instance_id, error)
        return purged

    async def _purge(self, instance_id: str, ended_to: int) -> bool:
        """Purge the instance, unless it was restarted or rewound since it was listed."""
        try:
            return await self._client.purge(instance_id, ended_before=ended_to)
        except NotTerminal:
            return False


def ended_before(retain: float, now: int) -> int:
    """The time (ticks) before which instances have ended long enough ago, at least 1970: a longer period keeps all."""
    return max(now - round(retain * timestamp.TICKS_PER_SECOND), timestamp.UNIX_EPOCH_TICKS)


def seconds_between_rounds(retain: float) -> float:
    """The pause after a round: a tenth of the period, between a second and ten minutes."""
    return min(max(retain / _ROUNDS_PER_PERIOD, _SHORTEST_INTERVAL), _LONGEST_INTERVAL)
