"""Writes what an episode changed in the instance row, retrying because the history is already written.

Every write names the row by its etag, or inserts it. So a row that another host has written since is not overwritten, a
purged row is not recreated, and a request that storage carries out late has no effect.

Source: docs/protocol/task-hub-storage-additions.md#order-of-a-commit,
    docs/protocol/task-hub-storage-instances.md#row-writes
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.history_end import has_ended
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure.attempts import MAX_REFUSALS, Attempts
from durable_host.durable.taskhub.azure.history_store import HistoryStore
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.unavailable import is_about_data
from durable_host.storage import Conflict, NotFound, PreconditionFailed, StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_IMMEDIATE_RETRIES = 3

RowEtag = str | None
"""The etag that the row must have, or None if there must be no row."""
FindRow = Callable[[RowEtag], Awaitable[tuple[InstanceUpdate, RowEtag] | None]]
"""Finds the row again when it did not have that etag. Returns None when there is nothing left to write."""


class RowChanged(Exception):
    """The row is no longer the one that the caller read."""


class RowWriter:
    """Writes instance rows.

    Outages are waited out, as are refusals that are not about the row, such as those of credentials. If the data of a
    row is rejected, the row is written without the data that may be the cause.
    """

    def __init__(self, instances: InstanceStore, history: HistoryStore, outage: Outage) -> None:
        self._instances = instances
        self._history = history
        self._outage = outage

    async def write(
        self,
        instance_id: str,
        update: InstanceUpdate,
        moved: Mapping[tuple[str, str], str],
        *,
        history: str,
        is_first: bool,
    ) -> None:
        """Write what a commit changed. `history` is the commit's etag. `is_first`: there was no history before."""
        etag = self._instances.known_etag(instance_id)

        async def find(etag: RowEtag) -> tuple[InstanceUpdate, RowEtag] | None:
            return await self._find(instance_id, update, etag, history)

        await self._retry_write(instance_id, update, moved, etag, find, must_find=etag is None and not is_first)

    async def repair(self, instance_id: str, update: InstanceUpdate, etag: RowEtag) -> None:
        """Write the row if it still has this etag. Raises `RowChanged` otherwise."""

        async def find(etag: RowEtag) -> None:
            raise RowChanged

        await self._retry_write(instance_id, update, {}, etag, find)

    async def _retry_write(
        self,
        instance_id: str,
        update: InstanceUpdate,
        moved: Mapping[tuple[str, str], str],
        etag: RowEtag,
        find: FindRow,
        *,
        must_find: bool = False,
    ) -> None:
        refusals = changes = 0
        with Attempts(self._outage, f"row of '{instance_id}'") as attempts:
            while True:
                try:
                    if must_find:
                        found = await find(etag)
                        if found is None:
                            return
                        update, etag = found if refusals < MAX_REFUSALS else (update, found[1])
                        must_find = False
                    await self._instances.update(instance_id, update, moved, etag)
                except StorageError as error:
                    if _is_changed(error) and not must_find:
                        must_find, changes = True, changes + 1
                        if changes > _IMMEDIATE_RETRIES:
                            await attempts.pause()
                        continue
                    attempts.failed(error)
                    refusals += is_about_data(error)
                    if refusals == MAX_REFUSALS:
                        update = _without_user_data(update, error)
                    elif refusals > MAX_REFUSALS:
                        self._give_up(instance_id, error)
                        return
                    await attempts.pause()
                else:
                    attempts.succeeded()
                    return

    def _give_up(self, instance_id: str, error: StorageError) -> None:
        _log.error(
            "The row of instance '%s' was refused and is unchanged; the history is correct: %s",
            instance_id,
            error,
            extra={"instance_id": instance_id},
        )

    async def _find(
        self, instance_id: str, update: InstanceUpdate, etag: RowEtag, history: str
    ) -> tuple[InstanceUpdate, RowEtag] | None:
        """Return where the row is now and what to write, or None when another writer has written something newer."""
        row = await self._instances.get_row(instance_id, ("RuntimeStatus", "ExecutionId", "Name"))
        if (row is None or etag is not None) and await self._history.etag(instance_id) != history:
            return None  # Purged, or committed by another host, which writes the row.
        if row is None:
            return await self._complete_update(instance_id, update), None
        is_ours = row.get("ExecutionId") == update.execution_id
        is_pending = row.get("RuntimeStatus") == OrchestrationStatus.Pending.name
        if etag is not None and row.etag != etag and is_pending:
            if not is_ours:
                return None  # Replaced by a client.
            if not _keeps_running(update) and not await self._is_end_kept(instance_id):
                return None  # Rewound after this end.
        return (update if row.get("Name") else await self._complete_update(instance_id, update)), row.etag

    async def _is_end_kept(self, instance_id: str) -> bool:
        """True when the history still ends the instance. A rewind removes the end without changing the etag."""
        return has_ended((await self._history.read(instance_id)).history.events)

    async def _complete_update(self, instance_id: str, update: InstanceUpdate) -> InstanceUpdate:
        """Return an update that makes a whole row even if the row, or the table, was deleted."""
        if update.started is not None:
            return update
        loaded = (await self._history.read(instance_id)).history
        started = next((event for event in loaded.events if isinstance(event, ExecutionStarted)), None)
        return msgspec.structs.replace(update, started=started)


def _keeps_running(update: InstanceUpdate) -> bool:
    return update.started is not None or update.runtime_status is None or not update.runtime_status.is_terminal


def _is_changed(error: StorageError) -> bool:
    """True when the row was changed, deleted or inserted by another writer."""
    if isinstance(error, Conflict):
        return error.code == "EntityAlreadyExists"
    return isinstance(error, PreconditionFailed) or (isinstance(error, NotFound) and not error.is_missing_resource)


def _without_user_data(update: InstanceUpdate, error: StorageError) -> InstanceUpdate:
    """Return the update without data of user code. An end becomes a failure that says why."""
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
