"""Requests to the worker pool and its responses."""

from typing import Any

import msgspec

from durable_host.invocation.code_failure import CodeFailure, read_code_failure
from durable_host.invocation.datum import Datum
from durable_host.invocation.frames import read_datum, write_datum
from durable_host.worker.frames import FrameBody


class InvocationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call. `inputs` has a value for every input parameter, including the trigger's; missing ones are None.

    `trigger_metadata` can be converted to JSON; its `instanceId` is added to the call's log records.
    """

    function: str
    invocation_id: str
    inputs: dict[str, Datum]
    trigger_metadata: dict[str, Any] = {}
    trace_parent: str | None = None
    trace_state: str | None = None
    retry_count: int = 0
    max_retry_count: int = 0
    last_error: tuple[str, str] | None = None
    """The message and the stack of the previous attempt."""

    @property
    def instance_id(self) -> str | None:
        value = self.trigger_metadata.get("instanceId")
        return value if isinstance(value, str) else None


class InvocationResponse(msgspec.Struct, frozen=True):
    """The result of a call. `return_value` is None if the function cannot return a value, see
    docs/protocol/functions-host-app.md#parameters-and-annotations.

    `failed_operations` are failed entity operations: the first of `failed_count`.
    """

    return_value: Datum | None = None
    outputs: dict[str, Datum] = {}
    failed_operations: tuple[CodeFailure, ...] = ()
    failed_count: int = 0


def encode_request(request: InvocationRequest) -> tuple[dict[str, Any], FrameBody]:
    blob = FrameBody()
    header: dict[str, Any] = {
        "k": "invoke",
        "i": request.invocation_id,
        "f": request.function,
        "in": {name: write_datum(datum, blob) for name, datum in request.inputs.items()},
    }
    if request.trigger_metadata:
        header["m"] = request.trigger_metadata
    if request.trace_parent:
        header["tp"] = request.trace_parent
    if request.trace_state:
        header["ts"] = request.trace_state
    if request.max_retry_count:
        header["rc"] = request.retry_count
        header["mrc"] = request.max_retry_count
    if request.last_error is not None:
        message, stack = request.last_error
        header["re"] = {"message": message, "stack_trace": stack}
    return header, blob


def decode_response(header: dict[str, Any], blob: bytes) -> InvocationResponse:
    returned, outputs = header.get("r"), header.get("o")
    return InvocationResponse(
        read_datum(returned, blob) if returned is not None else None,
        {name: read_datum(value, blob) for name, value in outputs.items()} if outputs else {},
        tuple(map(read_code_failure, header.get("fo", ()))),
        header.get("fc", 0),
    )
