"""A batch of an entity's operations in the 2.x protocol, and its answer.

Source: docs/protocol/durable-v2.md#batches
"""

import uuid

from google.protobuf.message import DecodeError

from durable_host.durable.model.numbered import EntityAction, OrchestrationBegun, SignalSent
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_turns import BadResponse
from durable_host.durable.sdk.v2_values import (
    payload,
    read_failure,
    read_trace,
    text_of,
    ticks_of,
    trace_message,
    wrapped,
)
from durable_host.durable.user_code import EntityAnswer, EntityBatch, EntityResult


def batch_request(batch: EntityBatch) -> pb.EntityBatchRequest:
    """Return the request. An entity without a state sends none, because the text `null` would count as a state.

    .NET apps need GUIDs as the IDs of operations. Answers do not contain the IDs: they are in order.
    """
    has_state = batch.exists and batch.state not in (None, "", "null")
    return pb.EntityBatchRequest(
        instanceId=f"@{batch.name}@{batch.key}",
        entityState=wrapped(batch.state) if has_state else None,
        operations=[
            pb.OperationRequest(
                operation=one.name,
                requestId=_guid(one.id),
                input=payload(one.input),
                traceContext=trace_message(one.trace),
            )
            for one in batch.operations
        ],
    )


def read_batch_result(data: bytes) -> EntityAnswer:
    """Decode a serialized answer. Raises `BadResponse`."""
    try:
        message = pb.EntityBatchResult.FromString(data)
    except DecodeError as error:
        raise BadResponse(f"The entity's answer is not an EntityBatchResult: {error}") from None
    return entity_answer_of(message)


def entity_answer_of(message: pb.EntityBatchResult) -> EntityAnswer:
    state = text_of(message, "entityState") or None
    return EntityAnswer(
        exists=state is not None,
        state=state,
        results=[_result(one) for one in message.results],
        actions=[action for one in message.actions if (action := _action(one)) is not None],
        failure=read_failure(message.failureDetails) if message.HasField("failureDetails") else None,
        leaves_rest=True,
    )


def _guid(id: str | None) -> str:
    """Return the ID of an operation if it is a GUID, otherwise a GUID that is derived from it."""
    try:
        return str(uuid.UUID(id or ""))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, id or ""))


def _result(message: pb.OperationResult) -> EntityResult:
    if message.WhichOneof("resultType") == "failure":
        failure = read_failure(message.failure.failureDetails)
        return EntityResult(True, None, failure)
    return EntityResult(False, text_of(message.success, "result") or None)


def _action(message: pb.OperationAction) -> EntityAction | None:
    match message.WhichOneof("operationActionType"):
        case "sendSignal":
            signal = message.sendSignal
            return SignalSent(
                target=signal.instanceId,
                operation=signal.name,
                input=text_of(signal, "input") or None,
                due=ticks_of(signal.scheduledTime) if signal.HasField("scheduledTime") else None,
                trace=read_trace(signal),
            )
        case "startNewOrchestration":
            start = message.startNewOrchestration
            return OrchestrationBegun(
                instance_id=start.instanceId,
                name=start.name,
                version=text_of(start, "version") or None,
                input=text_of(start, "input") or None,
                due=ticks_of(start.scheduledTime) if start.HasField("scheduledTime") else None,
                trace=read_trace(start),
            )
        case _:
            return None
