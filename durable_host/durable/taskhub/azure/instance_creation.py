"""Creates an instance: the row first, then the start message. Handles cases where either write is in doubt.

An event sent after the start finds the row and waits for the start. The official client sends the message first and
loses such events.

Source: docs/protocol/task-hub-storage-additions.md#order-of-a-start,
    docs/protocol/task-hub-storage-clients.md#create
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

import msgspec

from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import instance_rows
from durable_host.durable.taskhub.azure.history_rows import Row
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.durable.taskhub.azure.sender import MessageSender, PreparedMessage, SentMessage
from durable_host.durable.taskhub.azure.unfinished_starts import UnfinishedStart, UnfinishedStarts
from durable_host.durable.taskhub.new_instances import NewInstances
from durable_host.durable.taskhub.port import InstanceExists
from durable_host.storage import Conflict, Entity, PreconditionFailed, StorageError

_SELECTED = instance_rows.selection(fetch_input=False, fetch_output=False)
_MAX_CONFLICTS = 20
_PUT_PAUSES = (0.2, 0.5)


class InstanceCreator:
    """Creates instances.

    `new_instances` receives instances that had no row before and are run by this process. `on_unfinished` receives
    starts that failed after their row may have been written, and `on_pending` instances that are pending when they are
    started again: the client that wrote the row may be gone, and its message missing.
    """

    def __init__(
        self,
        instances: InstanceStore,
        sender: MessageSender,
        payloads: LargePayloads,
        new_instances: NewInstances,
        unfinished: UnfinishedStarts,
        on_unfinished: Callable[[TaskMessage], None],
        on_pending: Callable[[InstanceState], None],
    ) -> None:
        self._instances = instances
        self._sender = sender
        self._payloads = payloads
        self._new_instances = new_instances
        self._unfinished = unfinished
        self._on_unfinished = on_unfinished
        self._on_pending = on_pending
        self._under_way: dict[str | None, TaskMessage] = {}
        self._none_under_way = asyncio.Event()
        self._none_under_way.set()

    async def create(self, start: TaskMessage, dedupe_statuses: frozenset[OrchestrationStatus]) -> InstanceState:
        """Create the instance and return it. Raises `InstanceExists`."""
        if not isinstance(start.event, ExecutionStarted):
            raise ValueError(f"{start.event.event_name} does not start an instance")
        if start.id is None:
            start = msgspec.structs.replace(start, id=identity.of_start(start.target))
        prepared = await self._sender.prepare(_with_generation(start, 0))
        self._under_way[start.id] = prepared.message
        self._none_under_way.clear()
        try:
            return await self._create(prepared, dedupe_statuses)
        except InstanceExists:
            await self._drop(prepared)
            raise
        except BaseException:
            self._unfinished.add(prepared.message)
            self._on_unfinished(prepared.message)
            raise
        finally:
            self._under_way.pop(start.id, None)
            if not self._under_way:
                self._none_under_way.set()

    async def drain(self, patience: float) -> None:
        """Wait up to `patience` seconds for starts in progress. Those that take longer count as failed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._none_under_way.wait()
        for start in self._under_way.values():
            self._on_unfinished(start)

    async def _create(self, prepared: PreparedMessage, dedupe: frozenset[OrchestrationStatus]) -> InstanceState:
        """Write the row and send the message. The first try reads nothing, because most IDs are new."""
        replaced: Entity | None = None
        conflicts = 0
        while True:
            try:
                row = await self._write(prepared, replaced)
                break
            except (Conflict, PreconditionFailed) as conflict:
                conflicts += 1
                if conflict.is_outage or conflicts == _MAX_CONFLICTS:
                    raise
            found = await self._instances.get_row(prepared.message.target.instance_id, _SELECTED)
            if found is None:
                replaced = None
                continue
            first = self._unfinished.get(_execution_of(found))
            verdict = _decide_start(prepared.message, found, replaced, first, dedupe)
            if verdict == "exists":
                state = _state(found)
                if state.runtime_status is OrchestrationStatus.Pending:
                    self._on_pending(state)
                raise InstanceExists(prepared.message.target.instance_id, state.runtime_status)
            if verdict == "ours":
                row = found
                break
            if verdict in ("again", "taken"):
                await self._drop(prepared)
                if first is not None and verdict == "again":
                    return await self._finish(first, prepared.message, found)
                return _state(found)
            generation = (found.get("Generation") or 0) + (verdict == "replace")
            prepared = await self._sender.prepare(_with_generation(prepared.message, generation))
            replaced = found
        await self._send(prepared, is_new=replaced is None)
        return msgspec.structs.replace(_state(row), input=_started(prepared.message).input)

    async def _write(self, prepared: PreparedMessage, replaced: Entity | None) -> Row:
        """Insert the row, or replace `replaced`. Raises Conflict or PreconditionFailed."""
        event, instance_id = _started(prepared.message), prepared.message.target.instance_id
        try:
            etag = None if replaced is None else replaced.etag
            return await self._instances.create(instance_id, event, prepared.blob, etag)
        except StorageError as error:
            if not error.is_outage:
                raise
            # It may have taken effect anyway.
            with contextlib.suppress(StorageError):
                row = await self._instances.get_row(instance_id, _SELECTED)
                if _execution_of(row) == prepared.message.target.execution_id:
                    return dict(row or {})
            raise

    async def _finish(self, first: UnfinishedStart, again: TaskMessage, row: Entity) -> InstanceState:
        """Finish a failed start when it is requested again.

        It keeps its own execution and identity, because its message may be on the way.
        """
        state = _state(row)
        event = _started(again)
        if state.runtime_status is OrchestrationStatus.Pending:
            target = OrchestrationInstance(state.instance_id, state.execution_id)
            event = msgspec.structs.replace(
                event, orchestration_instance=target, timestamp=state.created_time, generation=state.generation
            )
            message = msgspec.structs.replace(again, event=event, target=target, id=first.message_id)
            await self._send(await self._sender.prepare(message), is_new=False)
        self._unfinished.forget(state.execution_id)
        return msgspec.structs.replace(state, input=event.input)

    async def _send(self, prepared: PreparedMessage, *, is_new: bool) -> None:
        sent = await self._put(prepared)
        if is_new and sent.hidden is not None:
            self._new_instances.add(prepared.message.target.instance_id)
        await self._sender.hand_over(sent)

    async def _put(self, prepared: PreparedMessage) -> SentMessage:
        for pause in _PUT_PAUSES:
            try:
                return await self._sender.put_prepared(prepared)
            except StorageError as error:
                if not error.is_outage:
                    raise
            await asyncio.sleep(pause)
        return await self._sender.put_prepared(prepared)

    async def _drop(self, prepared: PreparedMessage) -> None:
        """Delete the blob of a message that is not sent."""
        if prepared.blob is not None:
            with contextlib.suppress(StorageError):
                await self._payloads.delete([prepared.blob])


def _decide_start(
    start: TaskMessage,
    found: Entity,
    replaced: Entity | None,
    first: UnfinishedStart | None,
    dedupe: frozenset[OrchestrationStatus],
) -> Literal["ours", "again", "take over", "exists", "taken", "replace"]:
    """Return what a row means to a start that found it.

    `replaced` is the row that the start was going to replace; `first` is the unfinished start that wrote `found`.

    `ours`: the response to this write was lost. `again`: the first start is requested again. `take over`: its row is
    used for a different request. `exists`: the start is refused. `taken`: another client was faster.
    """
    if _execution_of(found) == start.target.execution_id:
        return "ours"
    status = _state(found).runtime_status
    if first is not None and not status.is_terminal and first.has_same_request(_started(start)):
        return "again"
    if first is not None and status is OrchestrationStatus.Pending:
        return "take over"
    if status in dedupe:
        return "exists"
    is_other = replaced is not None and _execution_of(found) != _execution_of(replaced)
    # Without `dedupe`, an episode of an execution that is being replaced may have written the row last.
    return "taken" if is_other and (dedupe or status is OrchestrationStatus.Pending) else "replace"


def _with_generation(start: TaskMessage, generation: int) -> TaskMessage:
    return msgspec.structs.replace(start, event=msgspec.structs.replace(start.event, generation=generation))


def _started(start: TaskMessage) -> ExecutionStarted:
    assert isinstance(start.event, ExecutionStarted)
    return start.event


def _state(row: Row | Entity) -> InstanceState:
    return instance_rows.read_instance(row)


def _execution_of(row: Entity | None) -> str | None:
    return None if row is None else row.get("ExecutionId")
