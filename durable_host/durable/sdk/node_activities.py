"""Results and failures of activities of Node.js apps.

Source: docs/protocol/durable-activities.md#result, docs/protocol/durable-failures.md#failed-activities
"""

import base64
import json
from typing import Any

import msgspec

from durable_host.durable.model.events import FailureDetails
from durable_host.durable.user_code import ActivityOutcome
from durable_host.invocation.datum import Datum
from durable_host.invocation.errors import FunctionFailed


def result_json(value: Datum) -> str | None:
    """Return a returned value as JSON text. The SDK for Python returns JSON text itself."""
    match value.kind:
        case "string":
            return json.dumps(value.value)
        case "bytes":
            return json.dumps(base64.b64encode(value.value).decode())
        case _:
            return value.as_text()


def failed_activity(failed: FunctionFailed) -> ActivityOutcome:
    """Return the outcome of a failed activity. The reference has a space in place of the error type.

    A message written by `df.app.setExceptionPropertiesProvider` contains the whole failure.
    """
    details = failed.stack or ""
    failure = _described(failed.message)
    if failure is None:
        return ActivityOutcome(error=f" {failed.message}", details=details)
    return ActivityOutcome(error=f" {failure.error_message}", details=details, failure=failure)


class _Described(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    error_type: str
    error_message: str
    is_non_retriable: bool
    properties: dict[str, Any]
    stack_trace: str | None = None


_described_decoder = msgspec.json.Decoder(_Described)


def _described(message: str) -> FailureDetails | None:
    if not message.startswith('{"errorType":'):
        return None
    try:
        failure = _described_decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
    return FailureDetails(
        error_type=failure.error_type,
        error_message=failure.error_message,
        stack_trace=failure.stack_trace,
        is_non_retriable=failure.is_non_retriable,
        properties=failure.properties,
    )
