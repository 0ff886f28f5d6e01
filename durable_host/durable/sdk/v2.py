"""Implements `UserCode` for the app's durable functions under the 2.x SDK, through calls to the worker.

Source: docs/protocol/durable-v2.md#invocations,
    docs/protocol/durable-v2.md#detection
"""

import base64
from typing import Any

import msgspec

from durable_host.durable.engine.entity_failures import MAX_BATCH_ATTEMPTS
from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.model.events import FailureDetails, TraceContext
from durable_host.durable.proto import pb
from durable_host.durable.sdk.app_code import AppCode, aborted, session_key
from durable_host.durable.sdk.v2_entities import batch_request, read_batch_result
from durable_host.durable.sdk.v2_turns import BadResponse, from_base64, read_response, turn_request
from durable_host.durable.user_code import (
    ActivityOutcome,
    CodeNote,
    EntityAnswer,
    EntityBatch,
    EntityResult,
    NumberedAnswer,
    OrchestratorTurn,
    event_waits_in,
)
from durable_host.invocation.code_failure import read_code_failure
from durable_host.invocation.errors import FunctionFailed, FunctionTimedOut, WorkerLost

FUNCTION_FAILED = "Function '{name}' failed with an unhandled exception."
NOT_FOUND = "{kind}FunctionNotFound"


class V2UserCode(AppCode):
    """`UserCode` for the 2.x SDK."""

    numbers_its_actions = True
    continues_v1 = True

    async def run_orchestrator(self, turn: OrchestratorTurn) -> NumberedAnswer:
        """Run a turn. Raises WorkItemAborted."""
        function = self._orchestrators.find(turn.name)
        if function is None:
            text = missing_function_text("orchestrator", turn.name, self._orchestrators.names())
            return not_run(FailureDetails(NOT_FOUND.format(kind="Orchestrator"), text))
        key = session_key(turn.instance_id, turn.execution_id)
        token, seen = self._seen.pop(key, (None, 0))
        try:
            reply: dict[str, Any] = {"need": "history"}
            if token is not None and token is turn.session and seen <= turn.new_from:
                reply = await self._orchestrate(function, turn, seen)
            if reply.get("need") == "history":
                reply = await self._orchestrate(function, turn, None)
        except (FunctionTimedOut, WorkerLost) as lost:
            raise aborted(lost) from lost
        except FunctionFailed as failed:
            return not_run(_failure_of(failed))
        answer = _answer_of(reply)
        keeps_session = answer.error is None and not reply.get("fresh")
        if keeps_session and turn.session is not None:
            self._remember(key, turn.session, len(turn.history))
        return answer

    async def run_activity(
        self, name: str, input: str | None, *, instance_id: str, task_id: int, trace: TraceContext | None = None
    ) -> ActivityOutcome:
        """Run an activity. `input` is JSON text; without one the function gets `null`. Raises WorkItemAborted."""
        function = self._activities.find(name)
        if function is None:
            text = f"Activity function '{name}' does not exist."
            return ActivityOutcome(error=text, failure=FailureDetails(NOT_FOUND.format(kind="Activity"), text))
        try:
            returned = await self._calls.run_activity(
                function, input or "null", instance_id=instance_id, task_id=task_id, trace=trace
            )
        except WorkerLost as lost:
            raise aborted(lost) from lost
        except FunctionFailed as failed:
            return ActivityOutcome(
                error=f"{failed.type}: {failed.message}",
                details=failed.stack or None,
                failure=_failure_of(failed),
            )
        return ActivityOutcome(result=None if returned is None or returned.strip() in {"", "null"} else returned)

    async def run_entity(self, batch: EntityBatch, *, trace: TraceContext | None = None) -> EntityAnswer:
        """Run a batch of operations. If it fails as a whole repeatedly, its operations fail. Raises WorkItemAborted."""
        function = self._entities.find(batch.name)
        if function is None:
            text = missing_function_text("entity", batch.name, self._entities.names())
            return _all_failed(batch, FailureDetails(NOT_FOUND.format(kind="Entity"), text, is_non_retriable=True))
        payload = base64.b64encode(self._batch(batch).SerializeToString()).decode("ascii")
        instance_id, failure = f"@{batch.name}@{batch.key}", FailureDetails()
        for _ in range(MAX_BATCH_ATTEMPTS):
            try:
                names = [one.name for one in batch.operations]
                returned = await self._calls.run_entity(
                    function, payload, instance_id=instance_id, trace=trace, operations=names
                )
                answer = read_batch_result(from_base64(returned))
                if answer.failure is None:
                    return answer
                failure = answer.failure
            except WorkerLost as lost:
                raise aborted(lost) from lost
            except FunctionFailed as failed:
                text = f"{FUNCTION_FAILED.format(name=function)} {failed.type}: {failed.message}"
                failure = FailureDetails("FunctionInvocationFailed", text, failed.stack or None, is_non_retriable=True)
                if isinstance(failed, FunctionTimedOut):
                    break
            except BadResponse as bad:
                failure = FailureDetails("FunctionInvocationFailed", str(bad), is_non_retriable=True)
        return _all_failed(batch, failure)

    def _batch(self, batch: EntityBatch) -> pb.EntityBatchRequest:
        return batch_request(batch)

    async def _orchestrate(self, function: str, turn: OrchestratorTurn, seen: int | None) -> dict[str, Any]:
        message = turn_request(
            turn.instance_id,
            turn.history,
            turn.new_from,
            seen=seen or 0,
            execution_id=turn.execution_id or None,
            worker_trace=turn.worker_trace,
        )
        payload = base64.b64encode(message.SerializeToString()).decode("ascii")
        request = {**self._request(turn), "payload": payload}
        if seen is not None:
            request["from"] = seen
        return await self._calls.orchestrate(function, request, key=request["key"], instance_id=turn.instance_id)


def _answer_of(reply: dict[str, Any]) -> NumberedAnswer:
    """Decode the worker's answer `reply` (see `worker/orchestrations_v2.py`)."""
    failed: dict[str, Any] | None = reply.get("failed")
    if failed is not None:
        details = FailureDetails(failed.get("type"), failed.get("message"), failed.get("stack"))
        return msgspec.structs.replace(not_run(details), failure=read_code_failure(failed))
    try:
        answer = read_response(from_base64(reply.get("response")))
    except BadResponse as bad:
        return not_run(FailureDetails("FunctionInvocationFailed", str(bad)))
    return msgspec.structs.replace(
        answer,
        has_ended_early=bool(reply.get("stuck")),
        position=reply.get("position"),
        warnings=tuple(reply.get("warnings", ())),
        notes=[CodeNote(note["kind"], note["text"]) for note in reply.get("notes", ())],
        failure=read_code_failure(reply["raised"]) if reply.get("raised") else None,
        event_waits=event_waits_in(reply),
        open_tasks=reply.get("open"),
        timer_parts=reply.get("parts", ()),
    )


def not_run(details: FailureDetails) -> NumberedAnswer:
    """Return the answer of code that did not run, or whose answer is not known."""
    error = f"{details.error_type}: {details.error_message}"
    return NumberedAnswer(error=error, error_details=details.stack_trace, failure_details=details)


def _failure_of(failed: FunctionFailed) -> FailureDetails:
    return FailureDetails(failed.type or "(unknown)", failed.message, failed.stack or None)


def _all_failed(batch: EntityBatch, failure: FailureDetails) -> EntityAnswer:
    results = [EntityResult(True, None, failure) for _ in batch.operations]
    return EntityAnswer(exists=batch.exists, state=batch.state, results=results)
