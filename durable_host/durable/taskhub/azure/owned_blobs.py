"""Tracks the blobs of the executions in this process, and deletes those of a replaced execution.

Source: docs/protocol/task-hub-storage-processing.md#continue-as-new
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterable

from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.storage import StorageError

_log = logging.getLogger("Host.Triggers.DurableTask")
_REMEMBERED = 10_000
_INPUT = "-Input.json.gz"


class OwnedBlobs:
    """The blob names of each instance's current execution. A purge deletes orphans that are missed here."""

    def __init__(self, payloads: LargePayloads) -> None:
        self._payloads = payloads
        self._by_instance: OrderedDict[str, tuple[str | None, list[str]]] = OrderedDict()
        self._deletes: set[asyncio.Task[None]] = set()

    def loaded(self, instance_id: str, execution_id: str | None, blobs: list[str]) -> None:
        """Record the blobs of a loaded execution."""
        self._by_instance.pop(instance_id, None)
        if blobs:
            self._keep(instance_id, execution_id, blobs)

    def committed(
        self, instance_id: str, execution_id: str, moved: Iterable[str], *, replaced: str | None, keep_inputs: bool
    ) -> None:
        """Record the blobs of a commit. If it replaced an execution, delete that execution's blobs.

        `keep_inputs`: the instance row may still refer to the old input.
        """
        known = self._by_instance.get(instance_id)
        blobs = list(moved)
        if known is None and not blobs:
            return
        old = known[1] if known is not None else []
        if replaced is None or (known is not None and known[0] == execution_id):
            self._keep(instance_id, execution_id, old + blobs)
            return
        kept = [name for name in old if keep_inputs and name.endswith(_INPUT)]
        self._by_instance.pop(instance_id, None)
        if kept or blobs:
            self._keep(instance_id, execution_id, kept + blobs)
        unused = [name for name in old if name not in kept]
        if unused:
            task = asyncio.get_running_loop().create_task(self._delete(unused))
            self._deletes.add(task)
            task.add_done_callback(self._deletes.discard)

    def forget(self, instance_id: str) -> None:
        """Forget the blobs of a purged instance."""
        self._by_instance.pop(instance_id, None)

    async def drain(self) -> None:
        """Wait for deletes in progress."""
        while self._deletes:
            await asyncio.gather(*self._deletes)

    def _keep(self, instance_id: str, execution_id: str | None, blobs: list[str]) -> None:
        self._by_instance[instance_id] = (execution_id, blobs)
        if len(self._by_instance) > _REMEMBERED:
            self._by_instance.popitem(last=False)

    async def _delete(self, names: list[str]) -> None:
        try:
            with contextlib.suppress(StorageError):
                await self._payloads.delete(names)
        except Exception:
            _log.exception("Blobs of an execution that was replaced were not deleted: %s", ", ".join(names))
