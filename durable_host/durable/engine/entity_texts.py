"""The JSON of messages between 2.x code and entities: DurableTask.Core's form, without sort labels.

Source: docs/protocol/durable-v2.md#messages-in-history
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.entity_messages import NO_PREDECESSOR
from durable_host.durable.model.events import FailureDetails

LOCK_ACQUIRED = "Lock Acquisition Completed"
_NO_LABELS = {"Timestamp": NO_PREDECESSOR, "Predecessor": NO_PREDECESSOR}


def operation_text(
    *,
    operation: str,
    request_id: str,
    input: str | None,
    is_signal: bool = False,
    parent: str | None = None,
    parent_execution: str | None = None,
    due: int | None = None,
) -> str:
    """Return the JSON of a call or a signal. `input` is JSON text, `due` is in ticks."""
    message: dict[str, Any] = {"op": operation}
    if is_signal:
        message["signal"] = True
    if input:
        message["input"] = input
    message["id"] = request_id
    message |= _sender(parent, parent_execution)
    if due is not None:
        message["due"] = timestamp.to_round_trip(due)
    return _json({**message, **_NO_LABELS})


def lock_text(
    *, critical_section_id: str, lock_set: Sequence[str], position: int, parent: str, parent_execution: str | None
) -> str:
    """Return the JSON of a lock request. `lock_set` contains entity instance IDs."""
    message = {"op": None, "id": critical_section_id, **_sender(parent, parent_execution), **_NO_LABELS}
    message["lockset"] = [_entity(id) for id in lock_set]
    if position:
        message["pos"] = position
    return _json(message)


def release_text(*, critical_section_id: str, parent: str, parent_execution: str | None) -> str:
    return _json({"op": None, "id": critical_section_id, **_sender(parent, parent_execution), **_NO_LABELS})


def result_text(result: str | None) -> str:
    """Return the answer to an operation that succeeded. `result` is JSON text."""
    return _json({"result": result})


def failure_text(failure: FailureDetails) -> str:
    """Return the answer to an operation that failed."""
    return _json({"result": None, "failureDetails": failure_record(failure)})


def failure_record(failure: FailureDetails) -> dict[str, Any]:
    """Return a failure as Newtonsoft serializes DurableTask.Core's FailureDetails."""
    return {
        "ErrorType": failure.error_type,
        "ErrorMessage": failure.error_message,
        "StackTrace": failure.stack_trace,
        "InnerFailure": None if failure.inner_failure is None else failure_record(failure.inner_failure),
        "IsNonRetriable": failure.is_non_retriable,
        "Properties": failure.properties,
    }


def read_failure_record(record: Any) -> FailureDetails | None:
    """Return the failure in decoded JSON, or None."""
    if not isinstance(record, dict):
        return None
    fields: dict[str, Any] = {str(name).casefold(): value for name, value in record.items()}  # pyright: ignore
    properties = fields.get("properties")
    return FailureDetails(
        error_type=_text(fields.get("errortype")),
        error_message=_text(fields.get("errormessage")),
        stack_trace=_text(fields.get("stacktrace")),
        inner_failure=read_failure_record(fields.get("innerfailure")),
        is_non_retriable=fields.get("isnonretriable") is True,
        properties=properties if isinstance(properties, dict) else None,  # pyright: ignore
    )


def split_entity_id(instance_id: str) -> tuple[str, str]:
    """Return name and key of `@name@key`. Only the first two `@` are separators."""
    name, _, key = instance_id[1:].partition("@")
    return name, key


def _entity(instance_id: str) -> dict[str, str]:
    name, key = split_entity_id(instance_id)
    return {"name": name, "key": key}


def _sender(parent: str | None, parent_execution: str | None) -> dict[str, Any]:
    pairs = {"parent": parent, "parentExecution": parent_execution}
    return {name: value for name, value in pairs.items() if value is not None}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _json(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
