"""Turns of .NET orchestrators: the request, whose properties say what the worker keeps, and the answer.

Source: docs/protocol/durable-dotnet.md#turns-in-net, docs/protocol/durable-dotnet.md#extended-sessions
"""

import msgspec
from google.protobuf.message import DecodeError

from durable_host.durable.model.events import (
    FailureDetails,
    HistoryEvent,
    OrchestratorCompleted,
)
from durable_host.durable.model.numbered import CompleteOrchestration
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_turns import BadResponse, answer_of, from_base64, turn_request
from durable_host.durable.user_code import NumberedAnswer, OrchestratorTurn
from durable_host.function_rpc.rpc_failures import code_failure
from durable_host.invocation.code_failure import CodeFailure

OUT_OF_MEMORY = "System.OutOfMemoryException"


class DotnetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of host.json that the worker gets with each turn.

    `session_seconds` is how long it keeps an orchestrator that has no turn; 0: it keeps none. `reorder_seconds` is how
    long an entity waits for a message that was sent earlier than those it has.
    """

    async_request_sleep_ms: int = 30_000
    session_seconds: int = 30
    default_version: str | None = None
    rolls_back_entities: bool = True
    reorder_seconds: int = 0


class DotnetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a turn. With `needs_history`, the worker has not run it, because it no longer has the session."""

    answer: NumberedAnswer
    needs_history: bool = False

    @property
    def completion(self) -> CompleteOrchestration | None:
        found = (action for action in self.answer.actions if isinstance(action, CompleteOrchestration))
        return next(found, None)

    @property
    def is_completed(self) -> bool:
        return self.completion is not None

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the orchestrator failed because the process had no memory left: then the turn runs again."""
        failure = self.completion.failure if self.completion is not None else None
        inner = failure.inner_failure if failure is not None else None
        return inner is not None and inner.error_type == OUT_OF_MEMORY


def request(
    turn: OrchestratorTurn, settings: DotnetSettings, *, with_history: bool, keeps_session: bool
) -> pb.OrchestratorRequest:
    """Return the request. Without the history it has only the new events, and needs the session in the worker.

    With the history, the worker drops the session that it has of the instance.
    """
    message = turn_request(
        turn.instance_id,
        turn.history if with_history else turn.history[turn.new_from :],
        turn.new_from if with_history else 0,
        execution_id=turn.execution_id or None,
        worker_trace=turn.worker_trace,
    )
    # Without it .NET refuses to call entities. If it is not 0, the worker labels messages so that they can be ordered.
    message.entityParameters.entityMessageReorderWindow.seconds = settings.reorder_seconds
    properties = message.properties
    properties["HttpDefaultAsyncRequestSleepTimeMilliseconds"].number_value = settings.async_request_sleep_ms
    properties["IncludeState"].bool_value = with_history
    properties["IsExtendedSession"].bool_value = keeps_session
    idle = settings.session_seconds if keeps_session else 0
    properties["ExtendedSessionIdleTimeoutInSeconds"].number_value = idle
    if settings.default_version:
        properties["defaultVersion"].string_value = settings.default_version
    return message


def read_answer(text: str | None, *, is_of_session: bool = False) -> DotnetAnswer:
    """Decode the text of an answer. Raises `BadResponse`.

    If an orchestrator that was kept (`is_of_session`) returns nothing, the worker sends the return value of an earlier
    call instead: an earlier answer. It does not count as a result.
    """
    try:
        message = pb.OrchestratorResponse.FromString(from_base64(text))
    except DecodeError as error:
        raise BadResponse(f"The orchestrator's answer is not an OrchestratorResponse: {error}") from None
    if is_of_session:
        _drop_earlier_answer(message)
    answer = DotnetAnswer(answer=answer_of(message), needs_history=message.requiresHistory)
    failure = answer.completion.failure if answer.completion is not None else None
    if failure is None:
        return answer
    with_log_text = msgspec.structs.replace(answer.answer, failure=_for_log(failure))
    return msgspec.structs.replace(answer, answer=with_log_text)


def _drop_earlier_answer(message: pb.OrchestratorResponse) -> None:
    for action in message.actions:
        if action.HasField("completeOrchestration"):
            completion = action.completeOrchestration
            if completion.HasField("result") and _is_answer(completion.result.value, message.instanceId):
                completion.ClearField("result")


def _is_answer(result: str, instance_id: str) -> bool:
    """Whether a result is an answer of this instance in base64."""
    try:
        text = msgspec.json.decode(result, type=str)
        return pb.OrchestratorResponse.FromString(from_base64(text)).instanceId == instance_id
    except (msgspec.MsgspecError, BadResponse, DecodeError):
        return False


def is_message(event: HistoryEvent) -> bool:
    """Whether code has to see the event, so that it must be among the new ones of a turn."""
    return event.event_id < 0 and not isinstance(event, OrchestratorCompleted)


def _for_log(failure: FailureDetails) -> CodeFailure:
    return code_failure(failure.error_type or "", failure.error_message or "", failure.stack_trace or "")
