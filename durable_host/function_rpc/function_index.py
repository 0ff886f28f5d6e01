"""The functions that a worker has reported, as the host's metadata and as requests to load them.

Source: docs/protocol/function-rpc.md#functions
"""

import json
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from durable_host.config.retry import RetryOptions
from durable_host.function_rpc.capabilities import Capabilities
from durable_host.function_rpc.rpc_messages import BindingInfo, FunctionLoadRequest
from durable_host.invocation import retry_options
from durable_host.invocation.metadata import Binding, Direction, FunctionMetadata, FunctionProblem

_OWN_FIELDS: Final = ("name", "type", "direction")
_DIRECTIONS: Final[dict[str, Direction]] = {"in": "in", "out": "out", "inout": "inout"}
_SOURCES: Final = {
    "blob": "AzureStorageBlobs",
    "blobtrigger": "AzureStorageBlobs",
    "queuetrigger": "AzureStorageQueues",
    "table": "AzureStorageTables",
}
_STRATEGIES: Final = ("exponential_backoff", "fixed_delay")


class RpcFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the worker: its ID, its metadata, and the request that loads it.

    `references` are the bindings whose parameters get a reference instead of a value, and the sources of these.
    """

    id: str
    metadata: FunctionMetadata
    trigger_name: str
    trigger_type: str
    """In lower case."""
    references: dict[str, str] = {}
    load_request: Any


def read_rpc_function(reported: Any, root: Path, capabilities: Capabilities) -> RpcFunction | FunctionProblem:
    """An RpcFunctionMetadata. HTTP functions of a worker with its own server are streamed."""
    raw: list[dict[str, Any]] = []
    try:
        raw = [_raw_binding(text) for text in reported.raw_bindings]
        bindings = tuple(_binding(one) for one in raw)
        trigger = next((one for one in bindings if one.is_trigger), None)
        if trigger is None:
            raise ValueError("the function has no trigger")
        metadata = FunctionMetadata(
            name=reported.name,
            bindings=bindings,
            directory=str(root),
            script_file=reported.script_file,
            entry_point=reported.entry_point,
            retry=_retry(reported),
            ends_with_client=capabilities.can_cancel,
            streams_http=capabilities.http_uri is not None and trigger.type.lower() == "httptrigger",
        )
        load_request = _load_request(reported, raw, root)
    except (ValueError, IndexError) as error:
        return FunctionProblem(function=reported.name, message=f"The metadata of the function is invalid: {error}")
    return RpcFunction(
        id=reported.function_id,
        metadata=metadata,
        trigger_name=trigger.name,
        trigger_type=trigger.type.lower(),
        references={
            one.name: source
            for one in bindings
            if one.is_deferred and (source := _SOURCES.get(one.type.lower())) is not None
        },
        load_request=load_request,
    )


def _raw_binding(text: str) -> dict[str, Any]:
    content: Any = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"a binding is not an object: {text}")
    members = cast("dict[str, Any]", content)
    for name in _OWN_FIELDS[:2]:
        if not isinstance(members.get(name), str):
            raise ValueError(f"a binding has no '{name}': {text}")
    return members


def _binding(raw: dict[str, Any]) -> Binding:
    """The binding with the names of function.json. One that supports deferral, but has a `dataType`, is not deferred:
    its parameter takes the value itself. A table input with both keys reads one row.
    """
    direction = _DIRECTIONS.get(str(raw.get("direction", "in")).lower())
    if direction is None:
        raise ValueError(f"the direction of the binding '{raw['name']}' is '{raw['direction']}'")
    properties = {name: value for name, value in raw.items() if name not in _OWN_FIELDS}
    if "blobPath" in properties:
        properties.setdefault("path", properties.pop("blobPath"))
    if properties.get("dataType"):
        properties.pop("properties", None)
    if raw["type"].lower() == "table" and properties.get("partitionKey") and properties.get("rowKey"):
        properties["oneRow"] = True
    return Binding(name=raw["name"], type=raw["type"], direction=direction, properties=properties)


def _retry(reported: Any) -> RetryOptions | None:
    if not reported.HasField("retry_options"):
        return None
    options = reported.retry_options

    def seconds(name: str) -> float | None:
        if not options.HasField(name):
            return None
        span = getattr(options, name)
        return span.seconds + span.nanos / 1e9

    return retry_options.from_worker(
        {
            "strategy": _STRATEGIES[options.retry_strategy],
            "max_retry_count": options.max_retry_count,
            "delay_interval": seconds("delay_interval"),
            "minimum_interval": seconds("minimum_interval"),
            "maximum_interval": seconds("maximum_interval"),
        }
    )


def _load_request(reported: Any, raw: list[dict[str, Any]], root: Path) -> Any:
    request = FunctionLoadRequest(function_id=reported.function_id)
    metadata = request.metadata
    metadata.name, metadata.directory = reported.name, str(root)
    metadata.script_file, metadata.entry_point = reported.script_file, reported.entry_point
    metadata.properties.update(reported.properties)
    for binding in raw:
        info = metadata.bindings[binding["name"]]
        info.type = binding["type"]
        info.direction = BindingInfo.Direction.Value(str(binding.get("direction", "in")).lower())
        data_type = str(binding.get("dataType") or "undefined").lower()
        if data_type in BindingInfo.DataType.keys():  # noqa: SIM118  # an enum of protobuf is no mapping
            info.data_type = BindingInfo.DataType.Value(data_type)
        extra: Any = binding.get("properties")
        if isinstance(extra, dict):
            info.properties.update({str(key): str(value) for key, value in cast("dict[Any, Any]", extra).items()})
    return request
