"""Queries instances in pages that fit into a message."""

import msgspec

from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.model.instance import EndedQuery, InstanceQuery
from durable_host.durable.model.status import TERMINAL_STATUSES
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_values import wrapped
from durable_host.durable.sidecar.request_fields import optional_ticks, statuses_of, words_of
from durable_host.durable.sidecar.sidecar_call import SidecarCall
from durable_host.durable.sidecar.states import orchestration_state
from durable_host.timestamp import MAX_TICKS

_AT_ONCE = 100
_MAX_PAGE = 1000
_ROOM = 1_000_000
"""In bytes. A page ends soon after this size, far below the 4 MiB that clients accept."""


async def query(call: SidecarCall, request: pb.QueryInstancesRequest) -> pb.QueryInstancesResponse:
    """Return one page, ordered by instance ID. The last one has no token."""
    asked = request.query
    count = asked.maxInstanceCount
    if count < 0:
        raise InvalidArgument(f"maxInstanceCount must not be negative, but is {count}.")
    most = min(count or _MAX_PAGE, _MAX_PAGE)
    wanted = InstanceQuery(
        created_from=optional_ticks(asked, "createdTimeFrom"),
        created_to=optional_ticks(asked, "createdTimeTo"),
        statuses=statuses_of(list(asked.runtimeStatus)),
        instance_id_prefix=words_of(asked, "instanceIdPrefix"),
        exclude_entities=True,
        fetch_input=asked.fetchInputsAndOutputs,
        fetch_output=asked.fetchInputsAndOutputs,
        continuation_token=words_of(asked, "continuationToken"),
    )
    found: list[pb.OrchestrationState] = []
    size, top = 0, _AT_ONCE
    while True:
        page = await call.client.query(msgspec.structs.replace(wanted, top=min(top, most - len(found))))
        with_payloads = asked.fetchInputsAndOutputs
        states = [await orchestration_state(call.client, one, with_payloads=with_payloads) for one in page.instances]
        added = sum(one.ByteSize() for one in states)
        if size + added > _ROOM and (found or len(states) > 1):
            if found:
                break
            top = max(1, len(states) // 4)
            continue
        found += states
        size += added
        wanted = msgspec.structs.replace(wanted, continuation_token=page.continuation_token)
        if page.continuation_token is None or len(found) >= most:
            break
    return pb.QueryInstancesResponse(orchestrationState=found, continuationToken=wrapped(wanted.continuation_token))


async def list_ids(call: SidecarCall, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
    """Return the IDs of ended instances, ordered by their end. The key of a page is the last end and ID in it."""
    if request.pageSize < 0:
        raise InvalidArgument(f"pageSize must not be negative, but is {request.pageSize}.")
    statuses = statuses_of(list(request.runtimeStatus)) & TERMINAL_STATUSES
    if request.runtimeStatus and not statuses:
        return pb.ListInstanceIdsResponse()
    size = request.pageSize or _AT_ONCE
    found = await call.client.list_ended(
        EndedQuery(
            statuses=statuses or TERMINAL_STATUSES,
            ended_from=optional_ticks(request, "completedTimeFrom"),
            ended_to=optional_ticks(request, "completedTimeTo"),
            after=_key(words_of(request, "lastInstanceKey")),
            top=size + 1,
        )
    )
    page = found[:size]
    last = f"{page[-1][0]}|{page[-1][1]}" if len(found) > size else None
    return pb.ListInstanceIdsResponse(instanceIds=[one for _, one in page], lastInstanceKey=wrapped(last))


def _key(text: str | None) -> tuple[int, str]:
    if text is None:
        return (-1, "")
    ticks, separator, instance_id = text.partition("|")
    is_time = ticks.isdecimal() and len(ticks) < 20 and int(ticks) <= MAX_TICKS
    if not separator or not is_time:
        raise InvalidArgument(f"'{text}' is not the key of a page of instance IDs. (Parameter 'lastInstanceKey')")
    return (int(ticks), instance_id)
