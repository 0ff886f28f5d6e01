"""What a function receives from a request.

Source: docs/protocol/functions-host-http.md#requests, docs/protocol/functions-host-expressions.md#binding-data
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from durable_host.config import binding_data
from durable_host.http_port import PlainRequest
from durable_host.invocation.datum import HttpData
from durable_host.triggers.http.paths import joined_query, path_of_url, query_parameters

RequestView = web.Request | PlainRequest


def http_data(
    request: RequestView, route_values: Mapping[str, str], body: bytes, origin: str | None = None
) -> HttpData:
    """The request for a function, with its whole body, which may have been chunked.

    `origin` replaces scheme and host in the URL. A chunked body gets a `Content-Length`, because WSGI apps read nothing
    without one.
    """
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    if headers.pop("transfer-encoding", None) is not None:
        headers["content-length"] = str(len(body))
    url = request.rel_url
    query = url.raw_query_string
    path = path_of_url(url.raw_path)
    return HttpData(
        method=request.method,
        url=f"{origin or f'{request.scheme}://{request.host}'}{path}{f'?{query}' if query else ''}",
        headers=headers,
        query={name: value for name, value in joined_query(query).items() if value} if query else {},
        params=dict(route_values),
        body=body,
    )


def http_binding_data(data: HttpData, request: RequestView, trigger_name: str) -> dict[str, Any]:
    """The binding data: route values, then the query, then the JSON body; `Query`, `Headers`, and the trigger's name.

    Names earlier in this list take precedence. The trigger itself has no text form.
    """
    pairs = query_parameters(request.rel_url.raw_query_string)
    query = dict({name.casefold(): (name, value) for name, value in pairs}.values())
    own = {trigger_name: None, "Query": query, "Headers": data.headers}
    values = binding_data.merged(own, data.body.decode("utf-8", "replace"))
    values = binding_data.overlaid(values, {name: value for name, value in query.items() if name.lower() != "code"})
    return binding_data.overlaid(values, data.params)
