"""Writing what an episode changed in the instance's row, for as long as that takes: its history is there already.

Source: docs/protocol/task-hub-storage-additions.md#order-of-a-commit,
    docs/protocol/task-hub-storage-instances.md#row-writes
"""

import logging
from collections.abc import Mapping

import msgspec

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure.attempts import MOST_REFUSALS, Attempts
from durable_host.durable.taskhub.azure.healing import Healing
from durable_host.durable.taskhub.azure.history_store import HistoryStore
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.unavailable import is_about_data
from durable_host.storage import StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")


class RowWriter:
    """Outages are waited out, and so are refusals that say nothing about the row, such as those of the credentials. A
    row whose data is refused is written without what may be the reason.
    """

    def __init__(self, instances: InstanceStore, history: HistoryStore, healing: Healing, outage: Outage) -> None:
        self._instances = instances
        self._history = history
        self._healing = healing
        self._outage = outage

    async def write(self, instance_id: str, update: InstanceUpdate, moved: Mapping[tuple[str, str], str]) -> None:
        refusals = 0
        with Attempts(self._outage, f"row of '{instance_id}'") as attempts:
            while True:
                had_lost = self._healing.rows_were_lost
                try:
                    whole = await self._whole(instance_id, update) if had_lost else update
                    await self._instances.update(instance_id, whole, moved)
                except StorageError as error:
                    attempts.failed(error)
                    refusals += is_about_data(error)
                    if refusals == MOST_REFUSALS:
                        update = _least(update, error)
                    elif refusals > MOST_REFUSALS:
                        self._give_up(instance_id, error)
                        return
                    await attempts.pause()
                else:
                    if self._healing.rows_were_lost == had_lost:
                        attempts.succeeded()
                        return

    def _give_up(self, instance_id: str, error: StorageError) -> None:
        _log.error(
            "The row of instance '%s' is refused and stays as it was; its history is right: %s",
            instance_id,
            error,
            extra={"instance_id": instance_id},
        )

    async def _whole(self, instance_id: str, update: InstanceUpdate) -> InstanceUpdate:
        """What makes a whole row even when the one that was there is lost."""
        if update.started is not None:
            return update
        row = await self._instances.get_row(instance_id, ("Name",))
        if row is not None and row.get("Name"):
            return update
        loaded = (await self._history.read(instance_id)).history
        started = next((event for event in loaded.events if isinstance(event, ExecutionStarted)), None)
        return msgspec.structs.replace(update, started=started)


def _least(update: InstanceUpdate, error: StorageError) -> InstanceUpdate:
    """The update without the data of the user's code. An end becomes a failure that says why."""
    started = update.started
    if started is not None:
        started = msgspec.structs.replace(started, input=None, tags=None)
    if update.runtime_status is None or not update.runtime_status.is_terminal:
        return msgspec.structs.replace(update, custom_status=None, started=started)
    return msgspec.structs.replace(
        update,
        custom_status=None,
        started=started,
        runtime_status=OrchestrationStatus.Failed,
        output=f"The storage refuses the result: {error}",
    )
