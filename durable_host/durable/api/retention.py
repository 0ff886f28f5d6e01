"""Purges orchestrations some time after they have ended, in small batches with pauses.

Only one instance is purged at a time, and the pauses leave most of the time of storage to everything else. Entities are
kept: they never end.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from durable_host import timestamp
from durable_host.clock import Clock
from durable_host.config import retention_period
from durable_host.durable.api.client import DurableClient
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.durable.taskhub.reported_faults import ReportedFaults
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Triggers.DurableTask")

BATCH = 10
"""Instances that are purged before a pause."""
_MANY = 500
"""Retention is behind if a round has this many instances. Pages may be smaller: storage filters some out."""
_ALL_REFUSED = 5 * BATCH
"""A round ends if storage refuses this many instances at its beginning."""
_USUAL_SHARE = 9.0
_SMALLEST_SHARE = 1.0
_FASTER = 3.0
"""A pause lasts nine times as long as the work before it, so retention takes a tenth of the time. While it is behind,
each page shortens the pauses to a third, until it takes half of the time.
"""
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 30.0
_ROUNDS_PER_PERIOD = 10
_SHORTEST_INTERVAL = 1.0
_LONGEST_INTERVAL = 600.0
_REMEMBERED = 1000


class Retention:
    """Purges what ended more than `retain` seconds ago, in rounds; None keeps everything.

    `recovered` waits until the work that an earlier process owed is done. What another host owes may not be done yet:
    an instance whose commits still owe something is left to a later round.
    """

    def __init__(
        self, client: DurableClient, clock: Clock, retain: float | None, recovered: Callable[[], Awaitable[None]]
    ) -> None:
        self._client = client
        self._clock = clock
        self._retain = retain
        self._recovered = recovered
        self._tasks = Tasks(_log)
        self._faults = ReportedFaults()
        self._refused: OrderedDict[str, str] = OrderedDict()

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
        hub = self._client.hub.name
        while True:
            try:
                await self.purge_round(ended_before(retain, self._clock.now()))
            except TaskHubUnavailable as error:
                if self._faults.begins("", error.kind):
                    _log.warning("Retention: the task hub '%s' could not be purged: %s", hub, error)
            else:
                if self._faults.ends(""):
                    _log.warning("Retention: the task hub '%s' can be purged again", hub)
            await self._clock.sleep(seconds_between_rounds(retain))

    async def purge_round(self, ended_to: int) -> int:
        """Purge everything that ended before `ended_to` (ticks). Returns the number of instances.

        Raises TaskHubUnavailable.
        """
        purged = found = tried = 0
        refused: dict[str, TaskHubUnavailable] = {}
        pace = Pace(self._clock)
        try:
            async for page in self._client.ended_pages(ended_to):
                found += len(page)
                pace.adapt(is_behind=found >= _MANY)
                for first in range(0, len(page), BATCH):
                    await pace.pause()
                    batch = page[first : first + BATCH]
                    purged += await self._purge_batch(batch, ended_to, pace, refused)
                    tried += len(batch)
                    if len(refused) < tried:
                        self._report(refused)
                        refused.clear()
                    elif tried >= _ALL_REFUSED:
                        raise next(iter(refused.values()))
                await pace.pause()
            self._report(refused)
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

    async def _purge_batch(
        self, instance_ids: Sequence[str], ended_to: int, pace: "Pace", refused: dict[str, TaskHubUnavailable]
    ) -> int:
        """Purge instances one after the other. Those that storage refuses to delete are added to `refused`."""
        purged = 0
        for instance_id in instance_ids:
            try:
                purged += await self._client.purge_ended(instance_id, ended_to, pace.pause)
            except TaskHubUnavailable as error:
                if error.is_unreachable:
                    raise
                refused[instance_id] = error
        return purged

    def _report(self, refused: Mapping[str, TaskHubUnavailable]) -> None:
        """Log which instances were not purged, unless an earlier round did."""
        for instance_id, error in refused.items():
            if self._is_new(instance_id, error):
                _log.warning("Retention: the instance '%s' was not purged: %s", instance_id, error)

    def _is_new(self, instance_id: str, error: TaskHubUnavailable) -> bool:
        """False when the same was logged for the instance in an earlier round."""
        before = self._refused.pop(instance_id, None)
        self._refused[instance_id] = error.kind
        if len(self._refused) > _REMEMBERED:
            self._refused.popitem(last=False)
        return before != error.kind


class Pace:
    """Pauses that last several times as long as the work between them."""

    def __init__(self, clock: Clock) -> None:
        self._share = _USUAL_SHARE
        self._clock = clock
        self._begun = time.monotonic()

    def adapt(self, *, is_behind: bool) -> None:
        """Shorten the pauses while retention is behind."""
        self._share = max(self._share / _FASTER, _SMALLEST_SHARE) if is_behind else _USUAL_SHARE

    async def pause(self) -> None:
        seconds = self._share * (time.monotonic() - self._begun)
        await self._clock.sleep(min(max(seconds, _SHORTEST_PAUSE), _LONGEST_PAUSE))
        self._begun = time.monotonic()


def ended_before(retain: float, now: int) -> int:
    """Return the time (ticks) before which instances must have ended to be purged: 1970 or later."""
    return max(now - round(retain * timestamp.TICKS_PER_SECOND), timestamp.UNIX_EPOCH_TICKS)


def seconds_between_rounds(retain: float) -> float:
    """The pause after a round: a tenth of the period, between a second and ten minutes."""
    return min(max(retain / _ROUNDS_PER_PERIOD, _SHORTEST_INTERVAL), _LONGEST_INTERVAL)
