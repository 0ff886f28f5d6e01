"""Client operations on entities: signal, read, list, clean.

Source: docs/protocol/task-hub-storage-entities.md#entity-messages,
    docs/protocol/task-hub-storage-entities.md#reading-an-entity,
    docs/protocol/task-hub-storage-entities.md#entity-deletion,
    docs/protocol/durable-entities.md#entity-ids,
    docs/protocol/durable-http-api.md#entities-over-http
"""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec

from durable_host import timestamp
from durable_host.clock import Clock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.api.identifiers import can_exist, entity_instance_id, unknown_function
from durable_host.durable.api.patience import patiently
from durable_host.durable.api.query_page import query_page
from durable_host.durable.engine.entity_messages import request_event_name, request_json
from durable_host.durable.model import identity
from durable_host.durable.model.events import EventRaised, OrchestrationInstance, TraceContext
from durable_host.durable.model.instance import InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHub
from durable_host.durable.user_code import UserCode

_LOCK_HOLDING_STATUSES = frozenset({OrchestrationStatus.Running, OrchestrationStatus.Suspended})


class EntityState(msgspec.Struct, frozen=True):
    """The committed state of an entity. `state` is JSON text or None; `last_operation_time` is in ticks.

    `backlog` is the number of waiting operations, `locked_by` the instance that holds the lock.
    """

    name: str
    key: str
    last_operation_time: int
    state: str | None
    backlog: int = 0
    locked_by: str | None = None


class EntityQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filter of an entity query. `name` None means every entity name. Times are in ticks.

    `prefix` filters by the beginning of the ID instead. `has_state` selects only entities with a state.
    """

    name: str | None = None
    prefix: str | None = None
    has_state: bool = True
    last_operation_from: int | None = None
    last_operation_to: int | None = None
    fetch_state: bool = False
    top: int = 100
    continuation_token: str | None = None


class EntityPage(msgspec.Struct, frozen=True):
    entities: list[EntityState]
    continuation_token: str | None = None


class CleanedEntityStorage(msgspec.Struct, frozen=True):
    """The numbers of removed entities and released locks."""

    empty_entities_removed: int
    orphaned_locks_released: int


class EntityClient:
    """Signals, reads, lists and cleans the entities of one task hub; see `DurableClient` for the arguments."""

    def __init__(self, hub: TaskHub, user_code: UserCode | None, options: DurableOptions, clock: Clock) -> None:
        self._hub = hub
        self._code = user_code
        self._options = options
        self._clock = clock

    async def signal(
        self,
        name: str,
        key: str,
        operation: str,
        input: str | None = None,
        *,
        due: int | None = None,
        trace: TraceContext | None = None,
        request_id: str | None = None,
    ) -> None:
        """Send an operation without waiting for its result. Raises `InvalidArgument`, `UnknownFunction`."""
        instance_id = entity_instance_id(name, key)
        if not can_exist(instance_id):
            raise InvalidArgument("Entity IDs, '@name@key', must not be longer than 512 characters.")
        if self._code is not None and not self._code.has_entity(name):
            raise unknown_function(name.lower(), "entity", self._code.entity_names())
        request = request_json(
            operation=operation,
            request_id=request_id or str(uuid.uuid4()),
            input=input,
            is_signal=True,
            due=due,
            with_type=False,
        )
        await self._send(instance_id, request_event_name(due, self._clock.now()), request, trace)

    async def get(self, name: str, key: str) -> EntityState | None:
        """Return the committed state, or None if there never was one. Raises `InvalidArgument`.

        As in Azure, an entity that was deleted, or whose first operation failed, has the state `null`.
        """
        instance_id = entity_instance_id(name, key)
        if not can_exist(instance_id):
            return None
        row = await patiently(lambda: self._hub.get_instance(instance_id, fetch_output=False))
        entity = _entity_of(row) if row is not None else None
        return entity if entity is not None and entity.state is not None else None

    async def query(self, query: EntityQuery) -> EntityPage:
        """Return one page of entities as `get` sees them. Any page may be empty. Raises `InvalidArgument`."""
        rows = InstanceQuery(
            created_from=query.last_operation_from,
            created_to=query.last_operation_to,
            instance_id_prefix=query.prefix or (f"@{query.name.lower()}@" if query.name else "@"),
            fetch_output=False,
            top=query.top,
            continuation_token=query.continuation_token,
        )
        page = await patiently(lambda: query_page(self._hub, rows))
        found = [_entity_of(row) for row in page.instances]
        if query.has_state:
            found = [entity for entity in found if entity.state is not None]
        if not query.fetch_state:
            found = [msgspec.structs.replace(entity, state=None) for entity in found]
        return EntityPage(found, page.continuation_token)

    async def clean(self, *, remove_empty: bool = True, release_locks: bool = True) -> CleanedEntityStorage:
        """Purge empty entities that are idle beyond the reorder window, and release locks of ended orchestrations."""
        horizon = self._clock.now() - round(self._options.entity_message_reorder_window * timestamp.TICKS_PER_SECOND)
        removed = released = 0
        async for row in self._rows():
            status = _object(row.custom_status)
            owner = status.get("lockedBy")
            is_empty = not (status.get("entityExists") or owner or status.get("queueSize"))
            if remove_empty and is_empty and row.last_updated_time < horizon:
                removed += await self._hub.purge_instance(row.instance_id)
            elif release_locks and isinstance(owner, str) and not await self._holds_locks(owner):
                release = json.dumps({"parent": owner, "id": "fix-orphaned-lock"}, separators=(",", ":"))
                await self._send(row.instance_id, "release", release, None)
                released += 1
        return CleanedEntityStorage(removed, released)

    async def _rows(self) -> AsyncIterator[InstanceState]:
        token = None
        while True:
            query = InstanceQuery(
                instance_id_prefix="@", fetch_input=False, fetch_output=False, continuation_token=token
            )
            page = await self._hub.query_instances(query)
            for row in page.instances:
                yield row
            if (token := page.continuation_token) is None:
                return

    async def _holds_locks(self, owner: str) -> bool:
        row = await self._hub.get_instance(owner, fetch_input=False, fetch_output=False)
        return row is not None and row.runtime_status in _LOCK_HOLDING_STATUSES

    async def _send(self, instance_id: str, name: str, request: str, trace: TraceContext | None) -> None:
        event = EventRaised(
            timestamp=self._clock.now(),
            name=name,
            input=request,
            parent_trace_context=trace,
        )
        await self._hub.send(TaskMessage(event, OrchestrationInstance(instance_id), id=identity.new()))


def _entity_of(row: InstanceState) -> EntityState:
    """Return the entity in a row."""
    state, status = _object(row.input).get("state"), _object(row.custom_status)
    name, _, key = row.instance_id[1:].partition("@")
    backlog, owner = status.get("queueSize"), status.get("lockedBy")
    return EntityState(
        name,
        key,
        row.created_time,
        state if isinstance(state, str) else None,
        backlog if isinstance(backlog, int) else 0,
        owner if isinstance(owner, str) else None,
    )


def _object(text: str | None) -> dict[str, Any]:
    try:
        value: Any = msgspec.json.decode(text) if text else None
    except ValueError:
        value = None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
