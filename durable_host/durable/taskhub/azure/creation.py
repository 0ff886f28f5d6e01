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
from durable_host.durable.taskhub.azure.new_instances import NewInstances
from durable_host.durable.taskhub.azure.sender import Sender
from durable_host.durable.taskhub.port import InstanceExists
from durable_host.storage import Conflict, Entity, PreconditionFailed

_CREATED = OrchestrationStatus.Pending
_SELECTED = instance_rows.selection(fetch_input=False, fetch_output=False)


class Creator:
    """Creates instances. `new_instances` is notified of those that had no row before and are run by this process."""

    def __init__(self, instances: InstanceStore, sender: Sender, new_instances: NewInstances) -> None:
        self._instances = instances
        self._sender = sender
        self._new_instances = new_instances

    async def create(self, start: TaskMessage, dedupe_statuses: frozenset[OrchestrationStatus]) -> InstanceState:
        """The created instance. Raises `InstanceExists`."""
        instance_id = start.target.instance_id
        event = start.event
        if not isinstance(event, ExecutionStarted):
            raise ValueError(f"{event.event_name} does not start an instance")
        existing = await self._instances.get_row(instance_id, _SELECTED)
        _refuse(instance_id, existing, dedupe_statuses)
        generation = 0 if existing is None else (existing.get("Generation") or 0) + 1
        event = msgspec.structs.replace(event, generation=generation)
        sent = await self._sender.put(msgspec.structs.replace(start, event=event))
        while True:
            try:
                etag = None if existing is None else existing.etag
                row = await self._instances.create(instance_id, event, sent.blob, etag)
                break
            except (Conflict, PreconditionFailed):
                before = _execution_of(existing)
                existing = await self._instances.get_row(instance_id, _SELECTED)
            if existing is None or _execution_of(existing) == before:
                continue
            if _execution_of(existing) == event.orchestration_instance.execution_id:
                # Our own write, whose answer was lost.
                row = existing
                break
            if not dedupe_statuses and instance_rows.read_instance(existing).runtime_status is not _CREATED:
                # No other client: an episode of an execution that is being replaced wrote the row last.
                continue
            await self._sender.withdraw(sent)
            _refuse(instance_id, existing, dedupe_statuses)
            return instance_rows.read_instance(existing)
        if generation == 0 and sent.hidden is not None:
            self._new_instances.add(instance_id)
        await self._sender.hand_over(sent)
        return msgspec.structs.replace(instance_rows.read_instance(row), input=event.input)


def _refuse(instance_id: str, row: Entity | None, statuses: frozenset[OrchestrationStatus]) -> None:
    if row is not None:
        status = instance_rows.read_instance(row).runtime_status
        if status in statuses:
            raise InstanceExists(instance_id, status)


def _execution_of(row: Entity | None) -> str | None:
    return None if row is None else row.get("ExecutionId")
