"""Operations on entities.

An entity exists while it has a state. The text `null`, which 1.x leaves behind, does not count as a state.
"""

from durable_host.durable.api.entity_client import EntityQuery, EntityState
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_values import moment, read_trace, text_of, wrapped
from durable_host.durable.sidecar.request_fields import optional_ticks, words_of
from durable_host.durable.sidecar.sidecar_call import SidecarCall
from durable_host.durable.sidecar.statuses import CallRefused
from durable_host.grpc_port import StatusCode

_PAGE = 100
_MAX_PAGE = 1000
_NO_STATE = frozenset((None, "null"))


async def signal(call: SidecarCall, request: pb.SignalEntityRequest) -> pb.SignalEntityResponse:
    name, key = _parts(request.instanceId)
    await call.client.entities.signal(
        name,
        key,
        request.name,
        text_of(request, "input"),
        due=optional_ticks(request, "scheduledTime"),
        trace=read_trace(request),
        request_id=request.requestId or None,
    )
    return pb.SignalEntityResponse()


async def get(call: SidecarCall, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
    name, key = _parts(request.instanceId)
    entity = await call.client.entities.get(name, key)
    if entity is None or entity.state in _NO_STATE:
        return pb.GetEntityResponse(exists=False)
    return pb.GetEntityResponse(exists=True, entity=_metadata(entity, request.includeState))


async def query(call: SidecarCall, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
    """Return one page. Pages before the last may be empty; the last one has no token."""
    asked = request.query
    size = asked.pageSize.value if asked.HasField("pageSize") else _PAGE
    page = await call.client.entities.query(
        EntityQuery(
            prefix=_normal_prefix(text_of(asked, "instanceIdStartsWith")),
            has_state=False,
            last_operation_from=optional_ticks(asked, "lastModifiedFrom"),
            last_operation_to=optional_ticks(asked, "lastModifiedTo"),
            fetch_state=True,
            top=min(size, _MAX_PAGE),
            continuation_token=words_of(asked, "continuationToken"),
        )
    )
    found = [one for one in page.entities if asked.includeTransient or one.state not in _NO_STATE]
    return pb.QueryEntitiesResponse(
        entities=[_metadata(one, asked.includeState) for one in found],
        continuationToken=wrapped(page.continuation_token),
    )


async def clean(call: SidecarCall, request: pb.CleanEntityStorageRequest) -> pb.CleanEntityStorageResponse:
    """Clean the entity storage in a single call, so that there is never a token."""
    cleaned = await call.client.entities.clean(
        remove_empty=request.removeEmptyEntities, release_locks=request.releaseOrphanedLocks
    )
    return pb.CleanEntityStorageResponse(
        emptyEntitiesRemoved=cleaned.empty_entities_removed, orphanedLocksReleased=cleaned.orphaned_locks_released
    )


def _parts(instance_id: str) -> tuple[str, str]:
    """Return the name and key of `@name@key`."""
    at, separator, key = instance_id[1:].partition("@")
    if not instance_id.startswith("@") or not separator or not at:
        text = f"'{instance_id}' is not the ID of an entity, which has the form @name@key."
        raise CallRefused(StatusCode.INVALID_ARGUMENT, text)
    return at, key


def _normal_prefix(text: str | None) -> str | None:
    """Return a prefix of entity IDs with the name in lower case, as IDs are stored. Keys are not changed."""
    if not text:
        return None
    name, separator, key = text.removeprefix("@").partition("@")
    return f"@{name.lower()}{separator}{key}"


def _metadata(entity: EntityState, with_state: bool) -> pb.EntityMetadata:
    state = entity.state if entity.state not in _NO_STATE else None
    return pb.EntityMetadata(
        instanceId=f"@{entity.name}@{entity.key}",
        lastModifiedTime=moment(entity.last_operation_time),
        backlogQueueSize=entity.backlog,
        lockedBy=wrapped(entity.locked_by),
        serializedState=wrapped(state if with_state else None),
    )
