"""The HTTP routes for the status, queries and purges of instances.

Source: docs/protocol/durable-http-api.md#status-of-an-instance, docs/protocol/durable-http-api.md#listing-instances,
    docs/protocol/durable-http-api.md#purging
"""

from typing import Any

from aiohttp import web

from durable_host.durable.api import answers
from durable_host.durable.api.call import ApiCall
from durable_host.durable.api.errors import InvalidArgument, NotTerminal
from durable_host.durable.api.query import known_statuses
from durable_host.durable.api.status_view import instance_status
from durable_host.durable.model.instance import InstanceQuery, InstanceState
from durable_host.durable.model.status import OrchestrationStatus

CONTINUATION_HEADER = "x-ms-continuation-token"


async def get_status(call: ApiCall, instance_id: str) -> web.Response:
    state = await call.client.get(instance_id, fetch_input=_shows_input(call))
    if state is None:
        return answers.empty(404)
    body = await status_body(call, state)
    if not state.runtime_status.is_terminal:
        return answers.json_answer(body, 202, {"Location": call.url, "Retry-After": "5"})
    is_error = state.runtime_status is OrchestrationStatus.Failed and call.query.flag(
        "returnInternalServerErrorOnFailure", False
    )
    return answers.json_answer(body, 500 if is_error else 200)


async def status_body(call: ApiCall, state: InstanceState) -> dict[str, Any]:
    """Return the status of an instance with the parts that the query requests."""
    show_history = call.query.flag("showHistory", False) and state.runtime_status is not OrchestrationStatus.Pending
    return instance_status(
        state,
        show_input=_shows_input(call),
        history=await call.client.history(state.instance_id) if show_history else None,
        show_history_output=call.query.flag("showHistoryOutput", False),
    )


def _shows_input(call: ApiCall) -> bool:
    return call.query.flag("showInput", True)


async def list_instances(call: ApiCall) -> web.Response:
    show_input = _shows_input(call)
    top = call.query.page_size("top", 100)
    if top == 0:
        return answers.json_answer([])
    query = InstanceQuery(
        created_from=call.query.time_filter("createdTimeFrom"),
        created_to=call.query.time_filter("createdTimeTo"),
        statuses=known_statuses(call.query.statuses("runtimeStatus")),
        instance_id_prefix=call.query.text("instanceIdPrefix") or None,
        fetch_input=show_input,
        top=top,
        continuation_token=call.request.headers.get(CONTINUATION_HEADER) or None,
    )
    page = await call.client.query(query)
    body = [instance_status(state, show_input=show_input) for state in page.instances]
    return answers.json_answer(body, headers=continuation(page.continuation_token))


def continuation(token: str | None) -> dict[str, str]:
    """Return the header with the token of the next page, or no header on the last page."""
    return {CONTINUATION_HEADER: token} if token else {}


async def purge_one(call: ApiCall, instance_id: str) -> web.Response:
    try:
        found = await call.client.purge(instance_id)
    except NotTerminal as error:
        return answers.json_answer(str(error), 412)
    if not found and not instance_id.startswith("@"):
        return answers.empty(404)
    return answers.json_answer({"instancesDeleted": int(found)})


async def purge_by_filter(call: ApiCall) -> web.Response:
    try:
        created_from = call.query.time("createdTimeFrom")
    except InvalidArgument:
        created_from = None
    if created_from is None:
        return answers.json_answer("Please provide value for 'createdTimeFrom' parameter.", 400)
    words = call.query.statuses("runtimeStatus")
    statuses = known_statuses(words)
    created_to = call.query.time("createdTimeTo")
    deleted = 0
    if statuses or not words:
        deleted = await call.client.purge_by(created_from, created_to, statuses)
    if deleted == 0:
        return answers.error(404, "No instance that has ended matches the filter of this purge.")
    return answers.json_answer({"instancesDeleted": deleted})
