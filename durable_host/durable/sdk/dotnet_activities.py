"""Inputs and failures of activities of .NET apps.

Source: docs/protocol/durable-dotnet.md#activities-in-net
"""

import json
from typing import Any

import msgspec

from durable_host.durable.model.events import FailureDetails
from durable_host.durable.user_code import ActivityOutcome
from durable_host.invocation.errors import FunctionFailed


def element_of(stored: str | None) -> str:
    """Return the JSON text for an activity. .NET orchestrators put inputs into arrays of one element.

    Text that is not such an array, from other callers, is returned unchanged; `null` if there is none.
    """
    text = (stored or "").strip()
    if not text:
        return "null"
    if not text.startswith("["):
        return text
    try:
        elements = msgspec.json.decode(text, type=list[msgspec.Raw])
        return bytes(elements[0]).decode() if len(elements) == 1 else text
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return _lenient_element(text)


def _lenient_element(text: str) -> str:
    """Return the element of JSON that contains `NaN` or lone surrogates."""
    try:
        elements: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text[1:-1].strip() if len(elements) == 1 else text


def failed_dotnet_activity(failed: FunctionFailed) -> ActivityOutcome:
    """Return the outcome of a failed activity. The worker sends the whole failure as JSON in place of the message."""
    failure = described(failed.encoded or failed.message)
    if failure is None:
        failure = FailureDetails(failed.type or "(unknown)", failed.message, failed.stack or None)
    return ActivityOutcome(
        error=f"{failure.error_type}: {failure.error_message}",
        details=failure.stack_trace or failed.stack or None,
        failure=failure,
    )


class _Details(msgspec.Struct, rename="camel"):
    error_type: str = ""
    error_message: str = ""
    stack_trace: str | None = None
    inner_failure: "_Details | None" = None
    is_non_retriable: bool = False
    properties: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Details)


def described(message: str) -> FailureDetails | None:
    """Return the failure in a message, which is JSON up to the first line break. None if it is an ordinary text."""
    if not message.startswith("{"):
        return None
    try:
        return _tree(_decoder.decode(message.partition("\n")[0]))
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


def _tree(details: _Details) -> FailureDetails:
    inner = details.inner_failure
    return FailureDetails(
        error_type=details.error_type,
        error_message=details.error_message,
        stack_trace=details.stack_trace or None,
        inner_failure=None if inner is None else _tree(inner),
        is_non_retriable=details.is_non_retriable,
        properties=details.properties or None,
    )
