"""A turn of 2.x orchestrator code as protobuf, and its answer.

Source: docs/protocol/durable-v2.md#turns
"""

import base64
import binascii
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.numbered import CompleteOrchestration, NumberedAction
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_actions import read_action
from durable_host.durable.sdk.v2_events import UnknownHistoryEvent, event_messages
from durable_host.durable.sdk.v2_values import wrapped
from durable_host.durable.user_code import NumberedAnswer

_NON_DETERMINISM = frozenset({"NonDeterminismError", "NonDeterministicOrchestrationException"})
"""The errors with which the SDKs for Python and for .NET end code that does not match its history."""


class BadResponse(ValueError):
    """The code's answer cannot be read. The exception text says why."""


def turn_request(
    instance_id: str,
    history: Sequence[HistoryEvent],
    new_from: int,
    *,
    seen: int = 0,
    execution_id: str | None = None,
    worker_trace: bytes | None = None,
    native_entities: bool = False,
) -> pb.OrchestratorRequest:
    """Return the request of a turn.

    The `history` up to `new_from` is past, and the rest is new. The first `seen` events are omitted from the past.
    `worker_trace` is from the previous answer.
    """
    messages = event_messages(history if native_entities else history[seen:], native_entities=native_entities)
    if native_entities:
        del messages[:seen]
    split = max(0, new_from - seen)
    request = pb.OrchestratorRequest(
        instanceId=instance_id,
        executionId=wrapped(execution_id),
        pastEvents=messages[:split],
        newEvents=messages[split:],
    )
    if worker_trace is not None:
        request.orchestrationTraceContext.ParseFromString(worker_trace)
    return request


def read_response(data: bytes) -> NumberedAnswer:
    """Decode a serialized answer. Raises `BadResponse`."""
    try:
        message = pb.OrchestratorResponse.FromString(data)
    except DecodeError as error:
        raise BadResponse(f"The orchestrator's answer is not an OrchestratorResponse: {error}") from None
    return answer_of(message)


def from_base64(text: str | None) -> bytes:
    """Decode a message in base64. Raises `BadResponse`."""
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadResponse(f"The function's answer is not base64: {error}") from None


def answer_of(message: pb.OrchestratorResponse) -> NumberedAnswer:
    """Return the answer in the host's form. Raises `BadResponse`."""
    try:
        actions = [read_action(action) for action in message.actions]
    except UnknownHistoryEvent as error:
        raise BadResponse(str(error)) from None
    has_trace = message.HasField("orchestrationTraceContext")
    return NumberedAnswer(
        actions=actions,
        custom_status=message.customStatus.value or None if message.HasField("customStatus") else None,
        is_non_deterministic=any(_is_non_determinism(action) for action in actions),
        worker_trace=message.orchestrationTraceContext.SerializeToString() if has_trace else None,
    )


def _is_non_determinism(action: NumberedAction) -> bool:
    failure = action.failure if isinstance(action, CompleteOrchestration) else None
    return failure is not None and (failure.error_type or "").rpartition(".")[2] in _NON_DETERMINISM
