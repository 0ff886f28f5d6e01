"""Reads a request for a function.

Source: docs/protocol/functions-host-http.md#requests, docs/protocol/functions-host-expressions.md#binding-data
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from durable_host.config import binding_data
from durable_host.http_port import read_body
from durable_host.invocation.datum import HttpData
from durable_host.triggers.http.paths import joined_query, path_of_url, query_parameters


async def read_http_request(
    request: web.Request, route_values: Mapping[str, str], origin: str | None = None
) -> HttpData:
    """Read a request with its whole body, chunked or not. Raises aiohttp's 413 if the body is over the limit.

    `origin` replaces scheme and host in the URL. A chunked body gets a `Content-Length`, because WSGI apps read nothing
    without one.
    """
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    body = await read_body(request) if request.body_exists else b""
    if headers.pop("transfer-encoding", None) is not None:
        headers["content-length"] = str(len(body))
    return HttpData(
        method=request.method,
        url=f"{origin or f'{request.scheme}://{request.host}'}{path_of_url(request.rel_url.raw_path)}"
        + (f"?{query}" if (query := request.rel_url.raw_query_string) else ""),
        headers=headers,
        query={name: value for name, value in joined_query(query).items() if value} if query else {},
        params=dict(route_values),
        body=body,
    )


def http_binding_data(data: HttpData, request: web.Request, trigger_name: str) -> dict[str, Any]:
    """The binding data: route values, then the query, then the JSON body; `Query`, `Headers`, and the trigger's name.

    Names earlier in this list take precedence. The trigger itself has no text form.
    """
    pairs = query_parameters(request.rel_url.raw_query_string)
    query = dict({name.casefold(): (name, value) for name, value in pairs}.values())
    own = {trigger_name: None, "Query": query, "Headers": data.headers}
    values = binding_data.merged(own, data.body.decode("utf-8", "replace"))
    values = binding_data.overlaid(values, {name: value for name, value in query.items() if name.lower() != "code"})
    return binding_data.overlaid(values, data.params)
