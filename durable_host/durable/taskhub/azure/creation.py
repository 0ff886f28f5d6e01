"""Creating an instance: start message first, row second, and what happens when two clients create the same one.

Source: spec/task-hub-storage.md, sections 8.2 and 9.1.
"""

import msgspec

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import instance_rows
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.sender import Sender
from durable_host.durable.taskhub.port import InstanceExists
from durable_host.storage import Conflict, Entity, PreconditionFailed

_SELECTED = instance_rows.selection(fetch_input=False, fetch_output=False)


class Creator:
    """Creates instances. `on_new` is told the ID of an instance that never had a row before."""

    def __init__(self, instances: InstanceStore, sender: Sender) -> None:
        self._instances = instances
        self._sender = sender

    async def create(
        self, start: TaskMessage, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> tuple[InstanceState, bool]:
        """The created instance, and whether it had no row before. Raises `InstanceExists`."""
        instance_id = start.target.instance_id
        event = start.event
        if not isinstance(event, ExecutionStarted):
            raise ValueError(f"{event.event_name} does not start an instance")
        existing = await self._existing(instance_id, dedupe_statuses)
        generation = 0 if existing is None else (existing.get("Generation") or 0) + 1
        event = msgspec.structs.replace(event, generation=generation)
        sent = await self._sender.put(msgspec.structs.replace(start, event=event))
        while True:
            try:
                etag = None if existing is None else existing.etag
                row = await self._instances.create(instance_id, event, sent.blob, etag)
                break
            except (Conflict, PreconditionFailed):
                before = None if existing is None else existing.get("ExecutionId")
                try:
                    existing = await self._existing(instance_id, dedupe_statuses)
                except InstanceExists:
                    await self._sender.withdraw(sent)
                    raise
                if existing is not None and existing.get("ExecutionId") != before:
                    await self._sender.withdraw(sent)
                    return instance_rows.read_instance(existing), False
        await self._sender.hand_over(sent)
        state = instance_rows.read_instance(row)
        return msgspec.structs.replace(state, input=event.input), generation == 0

    async def _existing(self, instance_id: str, dedupe_statuses: frozenset[OrchestrationStatus]) -> Entity | None:
        row = await self._instances.get_row(instance_id, _SELECTED)
        if row is not None:
            status = instance_rows.read_instance(row).runtime_status
            if status in dedupe_statuses:
                raise InstanceExists(instance_id, status)
        return row
