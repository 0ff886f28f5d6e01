"""The marks of owed work on sentinels: read when a history is loaded, and cleared when no commit updates them.

Source: docs/protocol/task-hub-storage-additions.md#sentinel-columns,
    docs/protocol/task-hub-storage-additions.md#owed-work
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from durable_host.durable.taskhub.azure.history_store import HistoryConflict, HistoryStore
from durable_host.durable.taskhub.azure.owed_messages import OwedMessages
from durable_host.durable.taskhub.azure.unsettled import AzureCheckpoint, Mark, UnsettledInstances
from durable_host.durable.taskhub.port import Debt
from durable_host.storage import StorageError
from durable_host.storage.bounded import for_each

QUIET_SECONDS = 2.0
_PARALLEL = 8


class Marks:
    """The marks of the instances that this process runs."""

    def __init__(self, history: HistoryStore, unsettled: UnsettledInstances, messages: OwedMessages) -> None:
        self._history = history
        self._unsettled = unsettled
        self._messages = messages

    async def debt(self, instance_id: str, checkpoint: AzureCheckpoint, columns: Mapping[str, str]) -> Debt | None:
        """Return what a loaded sentinel marks as owed, except work that this process already holds."""
        instance = self._unsettled.get(instance_id)
        known = instance.checkpoint if instance is not None else None
        if instance is not None and known is not None and known.etag == checkpoint.etag:
            checkpoint.consumed = known.consumed
            instance.checkpoint = checkpoint
            return instance.debt
        self._unsettled.forget(instance_id)
        if not checkpoint.is_marked:
            return None
        messages = await self._messages.read(columns.get("OwedMessages", ""))
        instance = self._unsettled.of(instance_id)
        instance.checkpoint = checkpoint
        instance.debt = checkpoint.mark.debt(messages)
        return instance.debt

    async def clear_quiet(self) -> None:
        """Clear outdated marks of instances that have no commit that would do so, until cancelled."""
        while True:
            await asyncio.sleep(QUIET_SECONDS / 2)
            limit = time.monotonic() - QUIET_SECONDS
            quiet = [one.instance_id for one in self._unsettled if one.since <= limit and one.is_quiet]
            with contextlib.suppress(StorageError):
                await for_each(quiet, self._clear, _PARALLEL)

    async def clear(self, includes: Callable[[str], bool]) -> None:
        """Clear the marks of the instances for which `includes` is true, before a partition moves to another worker."""
        await for_each(
            [one.instance_id for one in self._unsettled if includes(one.instance_id)], self._clear, _PARALLEL
        )

    async def _clear(self, instance_id: str) -> None:
        async with self._unsettled.locked(instance_id) as instance:
            checkpoint = instance.checkpoint
            if checkpoint is not None and instance.debt is None:
                mark = Mark.of(instance.first_direct(checkpoint.execution_id))
                columns = mark.changes(checkpoint.mark) | ({"OwedMessages": ""} if checkpoint.has_messages else {})
                if columns:
                    try:
                        checkpoint.etag = await self._history.update_sentinel(
                            instance.instance_id, checkpoint.execution_id, checkpoint.etag, columns
                        )
                    except HistoryConflict:
                        self._unsettled.forget(instance.instance_id)
                        return
                    self._messages.delete_blob_of(checkpoint)
                    checkpoint.mark, checkpoint.has_messages = mark, False
