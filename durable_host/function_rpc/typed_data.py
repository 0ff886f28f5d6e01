"""Converts between values of the host (`Datum`) and TypedData.

Source: docs/protocol/function-rpc.md#typeddata
"""

from datetime import UTC
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from durable_host.function_rpc.capabilities import Capabilities
from durable_host.function_rpc.rpc_messages import RpcHttp, TypedData
from durable_host.invocation.datum import NONE, Datum, HttpData, HttpReply

_SAME_SITE: Final = {1: "lax", 2: "strict", 3: "none"}
_JSON_TYPE: Final = "application/json"
_json = msgspec.json.Encoder()


def to_typed(datum: Datum, capabilities: Capabilities) -> Any:
    """The TypedData of a value for the worker. Integers become JSON, because workers do not read `int`."""
    kind, value = datum.kind, datum.value
    if kind in ("string", "json", "bytes", "double"):
        return TypedData(**{kind: value})
    if kind == "none":
        return TypedData()
    if kind == "http":
        return TypedData(http=http_request(value, capabilities))
    if kind == "int":
        return TypedData(json=str(value))
    typed = TypedData()
    if kind == "collection_bytes":
        typed.collection_bytes.bytes.extend(value)
    else:
        typed.collection_string.string.extend(value)
    return typed


def reference(source: str, content: str) -> Any:
    """The TypedData from which the worker creates an object of a storage SDK. `content` is JSON."""
    typed = TypedData()
    data = typed.model_binding_data
    data.version, data.source, data.content_type, data.content = "1.0", source, _JSON_TYPE, content.encode()
    return typed


def set_metadata(target: Any, value: Any, *, is_json: bool = False) -> None:
    """Set a value in the metadata of a trigger: texts unchanged, unless `is_json`; others as JSON."""
    if isinstance(value, str) and not is_json:
        target.string = value
    else:
        target.json = _json.encode(value).decode()


def http_request(request: HttpData, capabilities: Capabilities) -> Any:
    """The request for the worker. The body is sent as bytes; an empty one is left out."""
    rpc = RpcHttp(method=request.method, url=request.url)
    if request.body:
        rpc.body.bytes = request.body
        if not capabilities.wants_body_once:
            rpc.rawBody.bytes = request.body
    if capabilities.wants_nullable_values:
        for target, values in (
            (rpc.nullable_headers, request.headers),
            (rpc.nullable_params, request.params),
            (rpc.nullable_query, request.query),
        ):
            for name, value in values.items():
                target[name].value = value
    else:
        rpc.headers.update(request.headers)
        rpc.params.update(request.params)
        rpc.query.update(request.query)
    return rpc


def from_typed(typed: Any) -> Datum:
    """The value that the worker sent."""
    kind = typed.WhichOneof("data")
    if kind is None:
        return NONE
    value = getattr(typed, kind)
    if kind == "http":
        return Datum(kind, http_reply(value))
    if kind == "stream":
        return Datum("bytes", value)
    if kind in ("string", "json", "bytes", "int", "double"):
        return Datum(kind, value)
    if kind == "collection_string":
        return Datum(kind, list(value.string))
    if kind == "collection_bytes":
        return Datum(kind, list(value.bytes))
    if kind in ("collection_double", "collection_sint64"):
        return Datum("json", _json.encode(list(getattr(value, kind.partition("_")[2]))).decode())
    raise ValueError(f"The worker returned a value of the kind '{kind}', which outputs cannot have.")


def http_reply(rpc: Any) -> HttpReply:
    """The response from the worker. Raises ValueError for a status that is not a number."""
    status = rpc.status_code or "200"
    if not status.isdecimal():
        raise ValueError(f"The function returned the HTTP status '{status}', which is not a number.")
    body = from_typed(rpc.body)
    content = body.value if body.kind == "bytes" else (body.as_text() or "").encode()
    cookies = [set_cookie(cookie) for cookie in rpc.cookies]
    headers = dict(rpc.headers)
    cookies += [headers.pop(name) for name in list(headers) if name.lower() == "set-cookie"]
    return HttpReply(int(status), headers, cookies, content, is_complete=True)


def set_cookie(cookie: Any) -> str:
    """The `Set-Cookie` value of an RpcHttpCookie, in the format of ASP.NET Core."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.expires.HasField("value"):
        parts.append(f"expires={format_datetime(cookie.expires.value.ToDatetime(UTC), usegmt=True)}")
    if cookie.max_age.HasField("value"):
        parts.append(f"max-age={int(cookie.max_age.value)}")
    if cookie.domain.value:
        parts.append(f"domain={cookie.domain.value}")
    parts.append(f"path={cookie.path.value or '/'}")
    if cookie.secure.value:
        parts.append("secure")
    if (same_site := _SAME_SITE.get(cookie.same_site)) is not None:
        parts.append(f"samesite={same_site}")
    if cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)
