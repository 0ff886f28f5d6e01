"""Deletes instances that have ended: one, several, or those that match a filter, within the caller's time limit."""

import asyncio
from collections.abc import Sequence

from durable_host.durable.api.errors import NotTerminal
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.status import TERMINAL_STATUSES
from durable_host.durable.proto import BoolValue, pb
from durable_host.durable.sidecar.instance_operations import children
from durable_host.durable.sidecar.request_fields import optional_ticks, statuses_of
from durable_host.durable.sidecar.sidecar_call import SidecarCall
from durable_host.durable.sidecar.statuses import CallRefused
from durable_host.grpc_port import StatusCode
from durable_host.timestamp import TICKS_PER_SECOND

_AT_ONCE = 4


async def purge(call: SidecarCall, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
    """Delete the instances. Those that do not exist or have not ended are not counted."""
    deadline: int | None = None
    match request.WhichOneof("request"):
        case "instanceId":
            wanted: Sequence[str] = [request.instanceId]
        case "instanceBatch":
            wanted = list(dict.fromkeys(request.instanceBatch.instanceIds))
        case "purgeInstanceFilter":
            chosen = request.purgeInstanceFilter
            if chosen.HasField("timeout"):
                ticks = chosen.timeout.seconds * TICKS_PER_SECOND + chosen.timeout.nanos // 100
                deadline = call.clock.now() + ticks
            wanted = await _matching(call, chosen)
        case _:
            text = "Nothing to purge: the request has no instance ID, no batch and no filter."
            raise CallRefused(StatusCode.INVALID_ARGUMENT, text)
    deleted, is_complete = 0, True
    for first in range(0, len(wanted), _AT_ONCE):
        if deadline is not None and call.clock.now() >= deadline:
            is_complete = False
            break
        batch = wanted[first : first + _AT_ONCE]
        counts = await asyncio.gather(*(_purge_one(call, one, request.recursive) for one in batch))
        deleted += sum(counts)
    return pb.PurgeInstancesResponse(deletedInstanceCount=deleted, isComplete=BoolValue(value=is_complete))


async def _matching(call: SidecarCall, chosen: pb.PurgeInstanceFilter) -> list[str]:
    statuses = statuses_of(list(chosen.runtimeStatus)) & TERMINAL_STATUSES
    if chosen.runtimeStatus and not statuses:
        return []
    query = InstanceQuery(
        created_from=optional_ticks(chosen, "createdTimeFrom"),
        created_to=optional_ticks(chosen, "createdTimeTo"),
        statuses=statuses or TERMINAL_STATUSES,
        exclude_entities=True,
        fetch_input=False,
        fetch_output=False,
        top=1000,
    )
    return [state.instance_id async for state in call.client.query_all(query)]


async def _purge_one(call: SidecarCall, instance_id: str, recursive: bool) -> int:
    """Return how many instances were deleted: this one and, if `recursive`, those below it that have ended."""
    state = await call.client.get(instance_id, fetch_input=False, fetch_output=False)
    if state is None or not (state.runtime_status.is_terminal or instance_id.startswith("@")):
        return 0
    below = await children(call, instance_id) if recursive else []
    try:
        deleted = int(await call.client.purge(instance_id))
    except NotTerminal:
        return 0
    for child in below:
        deleted += await _purge_one(call, child, recursive=True)
    return deleted
