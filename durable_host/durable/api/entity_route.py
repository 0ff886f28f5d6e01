"""The HTTP routes of entities. Source: docs/protocol/durable-http-api.md#entities-over-http"""

import json
from typing import Any

from aiohttp import web

from durable_host import timestamp
from durable_host.durable.api import answers
from durable_host.durable.api.call import ApiCall
from durable_host.durable.api.embedded_json import InvalidJson, compact, decoded, embedded
from durable_host.durable.api.entity_client import EntityQuery, EntityState
from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.api.status_route import CONTINUATION_HEADER, continuation

_EMPTY_KEY = "$"


async def get_entity(call: ApiCall, name: str, key: str) -> web.Response:
    try:
        entity = await call.client.entities.get(name, "" if key == _EMPTY_KEY else key)
    except InvalidArgument:
        entity = None
    if entity is None:
        return answers.empty(404)
    return answers.json_answer(embedded(entity.state))


async def list_entities(call: ApiCall, name: str | None) -> web.Response:
    fetch_state = call.query.flag("fetchState", False)
    top = call.query.page_size("top", 100)
    if top == 0:
        return answers.json_answer([])
    query = EntityQuery(
        name=name,
        last_operation_from=call.query.time_filter("lastOperationTimeFrom"),
        last_operation_to=call.query.time_filter("lastOperationTimeTo"),
        fetch_state=fetch_state,
        top=top,
        continuation_token=call.request.headers.get(CONTINUATION_HEADER) or None,
    )
    page = await call.client.entities.query(query)
    return answers.json_answer([_shown(one) for one in page.entities], headers=continuation(page.continuation_token))


async def signal(call: ApiCall, name: str, key: str, operation: str | None = None) -> web.Response:
    """Signal an entity. `operation` None uses the query parameter."""
    body = await call.body()
    try:
        text = _input_of(call, body)
    except InvalidJson as error:
        return answers.error(400, f"Could not parse JSON content: {error}")
    if operation is None:
        operation = call.query.text("op") or ""
    try:
        await call.client.entities.signal(name, key, operation, text, trace=call.trace())
    except InvalidArgument as error:
        return answers.error(400, str(error))
    return answers.empty(202)


def _input_of(call: ApiCall, body: bytes) -> str | None:
    if not body:
        return None
    charset = call.request.charset
    if call.request.content_type.lower() == "application/json":
        return compact(decoded(body, charset))
    return json.dumps(decoded(body, charset, "replace"), ensure_ascii=False)


def _shown(entity: EntityState) -> dict[str, Any]:
    return {
        "entityId": {"name": entity.name, "key": entity.key},
        "lastOperationTime": timestamp.to_text(entity.last_operation_time),
        "state": embedded(entity.state),
    }
