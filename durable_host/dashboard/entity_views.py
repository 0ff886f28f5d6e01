"""`GET /api/entities`: entities with their state, the holder of their lock, and waiting operations."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from durable_host import timestamp
from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import instance_not_found
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.instance_actions import entity_key
from durable_host.dashboard.payloads import IN_DETAILS, IN_LIST, cut, time_text
from durable_host.durable.api.entity_client import EntityQuery, EntityState
from durable_host.durable.api.identifiers import entity_instance_id
from durable_host.durable.engine.entity_execution import EntityExecution
from durable_host.durable.engine.entity_request import EntityRequest, UnreadableEntityMessage, read_request
from durable_host.durable.model.events import EventRaised
from durable_host.timestamp import OutOfRange

_MOST_OPERATIONS = 200


class EntitiesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entities with this name whose key begins with `prefix`. Without a name, `prefix` begins an ID (`@name@key`)."""

    name: str | None = None
    prefix: str | None = None
    top: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    cursor: str | None = None


class ShownEntity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An entity. `state` is JSON text, `waiting` the number of operations that have not run."""

    name: str
    key: str
    id: str
    state: str | None
    state_is_truncated: bool
    updated: str | None
    locked_by: str | None
    waiting: int


class EntitiesAnswer(msgspec.Struct, frozen=True):
    """A page of entities by ID. `cursor` is null on the last page; other pages may be empty."""

    entities: list[ShownEntity]
    cursor: str | None


class WaitingOperation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An operation, or the request for a lock, that waits. `from` is the instance that sent it, if any."""

    name: str
    input: str | None
    input_is_truncated: bool
    sender: str | None = msgspec.field(name="from")
    time: str | None
    is_signal: bool


class EntityDetail(ShownEntity, frozen=True, kw_only=True, rename="camel"):
    """An entity with its waiting operations, at most 200."""

    operations: list[WaitingOperation]


async def entities(call: DashboardCall[EntitiesQuery, None]) -> EntitiesAnswer:
    """List entities."""
    query, prefix = call.query, call.query.prefix or ""
    if query.name is not None:
        prefix = f"@{query.name.lower()}@{prefix}"
    elif not prefix.startswith("@"):
        prefix = f"@{prefix.lower()}"
    page = await call.hub.client.entities.query(
        EntityQuery(
            prefix=prefix, has_state=False, fetch_state=True, top=query.top, continuation_token=query.cursor or None
        )
    )
    return EntitiesAnswer([_shown(entity, IN_LIST) for entity in page.entities], page.continuation_token)


async def entity(call: DashboardCall[NoParameters, None]) -> EntityDetail:
    """Describe an entity."""
    name, key = call.path["name"], entity_key(call.path["key"])
    instance_id = entity_instance_id(name, key)
    client = call.hub.client
    page = await client.entities.query(EntityQuery(prefix=instance_id, has_state=False, fetch_state=True, top=1))
    found = next((one for one in page.entities if (one.name, one.key) == (name.lower(), key)), None)
    if found is None:
        raise instance_not_found(instance_id)
    execution = EntityExecution.from_history(instance_id, await client.history(instance_id))
    requests = [*execution.scheduler.queue, *_requests(execution.pending)]
    shown = msgspec.structs.asdict(_shown(found, IN_DETAILS))
    shown["locked_by"] = execution.scheduler.locked_by
    shown["waiting"] = len(requests)
    return EntityDetail(**shown, operations=[_operation(request) for request in requests[:_MOST_OPERATIONS]])


def _requests(pending: Sequence[EventRaised]) -> list[EntityRequest]:
    """Return the requests among messages that no batch has processed."""
    requests: list[EntityRequest] = []
    for event in pending:
        try:
            requests.append(read_request(event.input))
        except UnreadableEntityMessage:
            continue
    return requests


def _shown(entity: EntityState, limit: int) -> ShownEntity:
    state, is_cut = cut(entity.state, limit)
    return ShownEntity(
        name=entity.name,
        key=entity.key,
        id=f"@{entity.name}@{entity.key}",
        state=state,
        state_is_truncated=is_cut,
        updated=time_text(entity.last_operation_time),
        locked_by=entity.locked_by,
        waiting=entity.backlog,
    )


def _operation(request: EntityRequest) -> WaitingOperation:
    text, is_cut = cut(request.input, IN_LIST)
    locks = ", ".join(f"@{name}@{key}" for name, key in request.lock_set)
    return WaitingOperation(
        name=f"lock of {locks}" if request.is_lock else request.operation or "",
        input=text,
        input_is_truncated=is_cut,
        sender=request.parent,
        time=_time(request),
        is_signal=request.is_signal,
    )


def _time(request: EntityRequest) -> str | None:
    """Return when a request was sent, as far as its sender has written it."""
    try:
        sent = None if request.request_time is None else timestamp.parse(request.request_time)
    except (ValueError, OutOfRange):
        sent = None
    return time_text(sent or request.timestamp.ticks)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/entities",
        summary="Entities with their state and the holder of their lock",
        answer=entities,
        query=EntitiesQuery,
        returns=EntitiesAnswer,
    ),
    Endpoint(
        method="GET",
        path="/entities/{name}/{key}",
        summary="An entity and its waiting operations; $ is an empty key, $$ the key $",
        answer=entity,
        returns=EntityDetail,
        errors=(404,),
    ),
)
