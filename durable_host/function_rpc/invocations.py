"""Requests to run a function and the worker's responses.

Source: docs/protocol/function-rpc.md#invocations
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from durable_host.function_rpc import rpc_failures, typed_data
from durable_host.function_rpc.capabilities import Capabilities
from durable_host.function_rpc.function_index import RpcFunction
from durable_host.function_rpc.rpc_messages import StreamingMessage
from durable_host.invocation.datum import Datum, HttpData
from durable_host.invocation.requests import InvocationRequest, InvocationResponse

SUCCESS: Final = 1
"""The status of a response."""
_TIMES: Final = frozenset({"InsertionTime", "ExpirationTime", "NextVisibleTime"})
_WITH_MEMBERS: Final = frozenset({"httptrigger", "queuetrigger", "eventgridtrigger"})
"""Triggers whose payload, if it is a JSON object, adds its members to the metadata."""
_encode = msgspec.json.encode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def invocation_message(request: InvocationRequest, function: RpcFunction, capabilities: Capabilities) -> Any:
    """The message that runs the function. Raises ValueError for values that cannot be sent."""
    message = StreamingMessage()
    rpc = message.invocation_request
    rpc.invocation_id, rpc.function_id = request.invocation_id, function.id
    references = function.references
    for name, datum in request.inputs.items():
        source = references.get(name)
        if source is None or datum.is_none:
            data = typed_data.to_typed(datum, capabilities)
        elif function.trigger_type == "queuetrigger" and name == function.trigger_name:
            data = typed_data.reference(source, _queue_message(datum, request.trigger_metadata))
        else:
            data = typed_data.reference(source, datum.as_text() or "")
        rpc.input_data.add(name=name, data=data)
    _add_metadata(rpc.trigger_metadata, request, function)
    rpc.trace_context.SetInParent()  # .NET fails without one.
    if request.trace_parent:
        rpc.trace_context.trace_parent = request.trace_parent
    if request.trace_state:
        rpc.trace_context.trace_state = request.trace_state
    if request.retry_count:
        rpc.retry_context.retry_count = request.retry_count
        rpc.retry_context.max_retry_count = request.max_retry_count
        if request.last_error is not None:
            rpc.retry_context.exception.message, rpc.retry_context.exception.stack_trace = request.last_error
    return message


def encodable(request: InvocationRequest) -> InvocationRequest:
    """The request with a question mark for each character that UTF-8 cannot encode, such as a byte of a header."""
    return msgspec.structs.replace(
        request,
        inputs={name: Datum(one.kind, _encodable(one.value)) for name, one in request.inputs.items()},
        trigger_metadata=_encodable(request.trigger_metadata),
        trace_parent=request.trace_parent and _text(request.trace_parent),
        trace_state=request.trace_state and _text(request.trace_state),
        last_error=None if request.last_error is None else (_text(request.last_error[0]), _text(request.last_error[1])),
    )


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(str(name)): _encodable(one) for name, one in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [_encodable(one) for one in cast("list[Any]", value)]
    if isinstance(value, HttpData):
        parts: dict[str, Any] = {name: _encodable(getattr(value, name)) for name in value.__struct_fields__}
        return HttpData(**parts)
    return value


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def with_route_values(request: InvocationRequest, params: Mapping[str, str]) -> InvocationRequest:
    """A call with its route values in the metadata, where the worker looks for the values of parameters."""
    return msgspec.structs.replace(request, trigger_metadata={**params, **request.trigger_metadata})


def proxied_message(request: InvocationRequest, function: RpcFunction, capabilities: Capabilities) -> Any:
    """The message that runs an HTTP function whose request goes to the worker's own server: the trigger's value is an
    empty request. Raises ValueError.
    """
    message = invocation_message(request, function, capabilities)
    for entry in message.invocation_request.input_data:
        if entry.name == function.trigger_name:
            entry.data.http.SetInParent()
            if capabilities.needs_route_values:
                for name, value in request.trigger_metadata.items():
                    entry.data.http.nullable_params[name].value = str(value)
    return message


def read_invocation(rpc: Any) -> InvocationResponse:
    """The result of an InvocationResponse. Raises FunctionFailed, and ValueError for a value of an unknown kind."""
    if rpc.result.status != SUCCESS:
        raise rpc_failures.function_failed(rpc.result.exception)
    return InvocationResponse(
        typed_data.from_typed(rpc.return_value) if rpc.HasField("return_value") else None,
        {output.name: typed_data.from_typed(output.data) for output in rpc.output_data},
    )


def _queue_message(datum: Datum, metadata: Mapping[str, Any]) -> str:
    """The JSON from which the worker creates a QueueMessage."""
    text = datum.as_text() or ""
    message = {
        "MessageId": metadata.get("Id"),
        "PopReceipt": metadata.get("PopReceipt"),
        "MessageText": text,
        "Body": text,
        "NextVisibleOn": metadata.get("NextVisibleTime"),
        "InsertedOn": metadata.get("InsertionTime"),
        "ExpiresOn": metadata.get("ExpirationTime"),
        "DequeueCount": metadata.get("DequeueCount"),
    }
    return _encode(message).decode()


def _add_metadata(target: Any, request: InvocationRequest, function: RpcFunction) -> None:
    """Add the trigger's own metadata, then what its payload has. A name is used once, whatever its case."""
    taken: set[str] = set()
    trigger = request.inputs.get(function.trigger_name)
    for name, value in request.trigger_metadata.items():
        key = name.casefold()
        if value is not None and key not in taken:
            taken.add(key)
            typed_data.set_metadata(target[name], value, is_json=name in _TIMES)
    if trigger is None or function.trigger_type not in _WITH_MEMBERS:
        return
    if trigger.kind == "http":
        values, body = _http_metadata(trigger.value), trigger.value.body
    else:
        values, body = (), trigger.value if trigger.kind in ("string", "json", "bytes") else ""
    for name, value in (*values, *_json_members(body)):
        key = name.casefold()
        if key not in taken:
            taken.add(key)
            typed_data.set_metadata(target[name], value)


def _http_metadata(request: HttpData) -> Iterable[tuple[str, Any]]:
    """The route values, the query and the headers as objects, and the values of the query."""
    return (
        *request.params.items(),
        ("Query", request.query),
        ("Headers", request.headers),
        *request.query.items(),
    )


def _json_members(text: str | bytes) -> Iterable[tuple[str, Any]]:
    """The members of a JSON object that are not null, unread except for strings. Nothing for other texts."""
    if text[:64].lstrip()[:1] not in ("{", b"{"):
        return ()
    try:
        members = _members.decode(text)
        return [
            (name, msgspec.json.decode(raw) if bytes(raw)[:1] == b'"' else raw)
            for name, raw in members.items()
            if bytes(raw) != b"null"
        ]
    except (ValueError, RecursionError):
        return ()
