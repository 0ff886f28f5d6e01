"""`GET /api/hub`, and `POST /api/hub/purge`: purge by age and status, with a count first."""

from typing import Annotated, Literal

import msgspec

from durable_host import timestamp
from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.hub_numbers import HubAnswer
from durable_host.dashboard.instance_list import TimeText, time_in
from durable_host.durable.api import DurableClient
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.status import OrchestrationStatus

_PAGE = 1000
EndedStatus = Literal["Completed", "Failed", "Canceled", "Terminated"]


class PurgeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Instances that were created between two ISO 8601 times, and have one of these statuses; they must have ended.

    `count_only` counts them and deletes nothing.
    """

    statuses: Annotated[list[EndedStatus], msgspec.Meta(min_length=1)]
    before: TimeText | None = None
    after: TimeText | None = None
    count_only: bool = True


class PurgeAnswer(msgspec.Struct, frozen=True):
    """How many there are, or how many were deleted."""

    count: int


async def hub_state(call: DashboardCall[NoParameters, None]) -> HubAnswer:
    """Describe the hub and this process."""
    context = call.context
    return await context.numbers.read(len(context.watch.changes))


async def purge(call: DashboardCall[NoParameters, PurgeBody]) -> PurgeAnswer:
    """Count instances, or delete them with their histories."""
    body, client = call.body, call.hub.client
    statuses = frozenset(OrchestrationStatus[name] for name in body.statuses)
    after = time_in(body.after or "", "after")
    before = time_in(body.before or "", "before")
    if body.count_only:
        return PurgeAnswer(await _count(client, statuses, after, before))
    first = after if after is not None else timestamp.MIN_TICKS
    count = await client.purge_by(first, before, statuses)
    call.context.watch.changes.all_instances()
    return PurgeAnswer(count)


async def _count(
    client: DurableClient, statuses: frozenset[OrchestrationStatus], after: int | None, before: int | None
) -> int:
    query = InstanceQuery(
        created_from=after, created_to=before, statuses=statuses, fetch_input=False, fetch_output=False, top=_PAGE
    )
    return sum([1 async for _ in client.query_all(query)])


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/hub",
        summary="Partitions, sessions, requests to storage, memory",
        answer=hub_state,
        returns=HubAnswer,
    ),
    Endpoint(
        method="POST",
        path="/hub/purge",
        summary="Count or purge instances by age and status",
        answer=purge,
        body=PurgeBody,
        returns=PurgeAnswer,
    ),
)
