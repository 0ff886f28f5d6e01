"""The OpenAPI document of the dashboard's API, derived from the table of endpoints."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from durable_host import __version__
from durable_host.dashboard.api_errors import ErrorAnswer
from durable_host.dashboard.endpoint import Endpoint

_REFERENCE = "#/components/schemas/{name}"
_DESCRIPTIONS = {
    400: "A parameter or the body is not valid.",
    403: "The caller may not use the dashboard, the token is missing, or the dashboard is read-only.",
    404: "What the path names does not exist.",
    405: "The path does not take this method.",
    409: "The state of the instance, or the kind of hub, does not allow this.",
    410: "The instance has ended.",
    413: "The body is too large.",
    500: "An error in the host.",
    503: "The storage does not answer.",
}
_ALWAYS = (400, 403, 409, 413, 500, 503)


def openapi_document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document, in version 3.1 of OpenAPI, whose schemas are JSON Schema."""
    endpoints = tuple(endpoints)
    types: list[Any] = [ErrorAnswer]
    for endpoint in endpoints:
        types += [one for one in (endpoint.returns, endpoint.body) if one is not None and one not in types]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_type = {id(type_): schema for type_, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The dashboard of durable-host",
            "version": __version__,
            "description": "Local callers only. All requests except GET need the header X-DF-Token. Texts of the app "
            "(inputs, outputs, statuses, states) are JSON text in a string.",
        },
        "servers": [{"url": "/_df/api"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-DF-Token"}},
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[int, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name(endpoint),
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint.query)],
        "responses": {str(endpoint.status): _success(endpoint, schemas), **_errors(endpoint, schemas)},
    }
    if endpoint.body is not None:
        schema = schemas[id(endpoint.body)]
        operation["requestBody"] = {
            "required": _has_required(endpoint.body),
            "content": {"application/json": {"schema": schema}},
        }
    if endpoint.method != "GET":
        operation["security"] = [{"token": []}]
    return operation


def _has_required(body: type[Any]) -> bool:
    """An empty body counts as an empty object."""
    return any(one.required for one in msgspec.structs.fields(body))


def _success(endpoint: Endpoint, schemas: dict[int, Any]) -> dict[str, Any]:
    schema = schemas[id(endpoint.returns)] if endpoint.returns is not None else {"type": "string"}
    return {"description": endpoint.summary, "content": {endpoint.content_type: {"schema": schema}}}


def _errors(endpoint: Endpoint, schemas: dict[int, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schemas[id(ErrorAnswer)]}}
    statuses = sorted({*_ALWAYS, *endpoint.errors})
    return {str(status): {"description": _DESCRIPTIONS[status], "content": content} for status in statuses}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(query: type[Any]) -> list[dict[str, Any]]:
    """One parameter per member of the Struct, with the schema of its type."""
    fields = msgspec.structs.fields(query)
    members = msgspec.json.schema(query)["$defs"][query.__name__].get("properties", {})
    return [
        {
            "name": one.encode_name,
            "in": "query",
            "required": one.required,
            "schema": _without_null(members[one.encode_name]),
        }
        for one in fields
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is left out instead of being null."""
    schema = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


def _name(endpoint: Endpoint) -> str:
    words = re.sub(r"[^a-zA-Z]+", " ", f"{endpoint.method.lower()} {endpoint.path}").split()
    return words[0] + "".join(word.capitalize() for word in words[1:])
