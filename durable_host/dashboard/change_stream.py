"""`GET /api/changes`: the stream of changes, for as long as a page is open."""

import msgspec
from aiohttp import web

from durable_host.dashboard.api_call import DashboardCall
from durable_host.dashboard.endpoint import Endpoint


class ChangesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`instance` narrows the events about instances to one of them."""

    instance: str | None = None


async def changes(call: DashboardCall[ChangesQuery, None]) -> web.StreamResponse:
    """Send events until the page closes or the host stops."""
    return await call.context.watch.changes.serve(call.request, call.query.instance)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/changes",
        summary="Server-sent events: instances, entities, queues, functions, and hub once a second",
        answer=changes,
        query=ChangesQuery,
        returns=None,
        content_type="text/event-stream",
    ),
)
