"""Implements `UserCode` for the functions of plain workers, by sending work over their streams.

The host does not know which functions exist. Work for a function that no connected worker has waits for a worker that
has it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from durable_host.durable.engine.entity_failures import MAX_BATCH_ATTEMPTS
from durable_host.durable.model.events import (
    ExecutionStarted,
    FailureDetails,
    OrchestrationInstance,
    TaskScheduled,
    TraceContext,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.proto import StringValue, pb
from durable_host.durable.sdk.v2_entities import entity_answer_of
from durable_host.durable.sdk.v2_turns import BadResponse, answer_of, turn_request
from durable_host.durable.sdk.v2_values import instance_message, payload, read_failure, text_of, trace_message, wrapped
from durable_host.durable.sidecar.workers.board import WorkBoard
from durable_host.durable.sidecar.workers.encoded_history import EncodedHistories
from durable_host.durable.sidecar.workers.work import Work, WorkFailed
from durable_host.durable.user_code import (
    ActivityOutcome,
    EntityAnswer,
    EntityBatch,
    EntityOperation,
    EntityResult,
    NumberedAnswer,
    OrchestratorTurn,
)

_BAD_ANSWER = "InvalidWorkerAnswer"
_BATCH_RETRY_SECONDS = 1.0
_MAX_VERSIONS = 10_000


class WorkerCode:
    """`UserCode` for plain workers. `version_of` looks up the version of an instance that has not run here recently."""

    numbers_its_actions = True
    replays_each_turn = True
    first_number = 0
    long_run = "no worker that has the function is connected, or the one that has the work is silent"

    def __init__(self, version_of: Callable[[str], Awaitable[str | None]]) -> None:
        self.board = WorkBoard(self._version_of)
        self._look_up = version_of
        self._histories = EncodedHistories()
        self._versions: OrderedDict[str, str | None] = OrderedDict()

    def has_orchestrator(self, name: str) -> bool:
        return True

    def has_activity(self, name: str) -> bool:
        return True

    def has_entity(self, name: str) -> bool:
        return True

    def orchestrator_names(self) -> Sequence[str]:
        return ()

    def orchestrator_function(self, name: str) -> str:
        return name

    def activity_names(self) -> Sequence[str]:
        return ()

    def entity_names(self) -> Sequence[str]:
        return ()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator["WorkerCode"]:
        """Yield the same code, because a worker cannot be made to run only one thing."""
        yield self

    def forget(self, instance_id: str, execution_id: str) -> None:
        """Drop the encoded history. Workers keep nothing between turns."""
        self._histories.forget(instance_id, execution_id)

    async def run_orchestrator(self, turn: OrchestratorTurn) -> NumberedAnswer:
        """Run a turn. On cancellation, the work is withdrawn from the workers."""
        started = next((event for event in turn.history if isinstance(event, ExecutionStarted)), None)
        version = started.version or None if started is not None else None
        self._remember(turn.instance_id, version)
        request = turn_request(
            turn.instance_id, (), 0, execution_id=turn.execution_id or None, worker_trace=turn.worker_trace
        )
        request.entityParameters.entityMessageReorderWindow.seconds = 0  # Without it .NET refuses to call entities.
        history = self._histories.of(turn.instance_id, turn.execution_id, turn.history)
        work = Work(
            "orchestration",
            turn.name,
            request.SerializeToString() + history.new(turn.new_from),
            instance_id=turn.instance_id,
            version=version,
            past=history.past(turn.new_from),
        )
        try:
            answer: pb.OrchestratorResponse = await self.board.run(work)
            return answer_of(answer)
        except WorkFailed as failed:
            return _not_run(_failure_of(failed))
        except BadResponse as bad:
            return _not_run(FailureDetails(_BAD_ANSWER, str(bad), is_non_retriable=True))

    async def run_activity(
        self, name: str, input: str | None, *, instance_id: str, task_id: int, trace: TraceContext | None = None
    ) -> ActivityOutcome:
        """Run an activity for a caller that does not have the whole request."""
        target = OrchestrationInstance(instance_id)
        event = TaskScheduled(event_id=task_id, name=name, input=input)
        return await self.run_activity_request(TaskMessage(event, target), trace)

    async def run_activity_request(self, message: TaskMessage, trace: TraceContext | None) -> ActivityOutcome:
        """Run the activity of the TaskScheduled in `message`."""
        scheduled, target = message.event, message.target
        assert isinstance(scheduled, TaskScheduled)
        request = pb.ActivityRequest(
            name=scheduled.name,
            version=wrapped(scheduled.version or None),
            input=payload(scheduled.input),
            orchestrationInstance=instance_message(target),
            taskId=scheduled.event_id,
            parentTraceContext=trace_message(trace),
            tags=scheduled.tags or message.tags or {},
        )
        work = Work(
            "activity",
            scheduled.name,
            request.SerializeToString(),
            instance_id=target.instance_id,
            version=scheduled.version or None,
        )
        try:
            answer: pb.ActivityResponse = await self.board.run(work)
        except WorkFailed as failed:
            return _failed(_failure_of(failed))
        if answer.HasField("failureDetails"):
            return _failed(read_failure(answer.failureDetails))
        return ActivityOutcome(result=text_of(answer, "result") or None)

    async def run_entity(self, batch: EntityBatch, *, trace: TraceContext | None = None) -> EntityAnswer:
        """Run a batch of operations. If it fails repeatedly as a whole, each operation fails."""
        instance_id = f"@{batch.name}@{batch.key}"
        has_state = batch.exists and batch.state not in (None, "", "null")
        request = pb.EntityRequest(
            instanceId=instance_id,
            entityState=wrapped(batch.state) if has_state else None,
            operationRequests=[_operation(one, instance_id) for one in batch.operations],
        )
        failure = FailureDetails()
        for attempt in range(MAX_BATCH_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_BATCH_RETRY_SECONDS)
            work = Work("entity", batch.name, request.SerializeToString(), instance_id=instance_id)
            try:
                message: pb.EntityBatchResult = await self.board.run(work)
            except WorkFailed as failed:
                failure = _failure_of(failed)
                break
            answer = entity_answer_of(message)
            if answer.failure is None and (answer.results or not batch.operations):
                return answer
            text = "The worker's answer has no result for any operation."
            failure = answer.failure or FailureDetails(_BAD_ANSWER, text, is_non_retriable=True)
        results = [EntityResult(True, None, failure) for _ in batch.operations]
        return EntityAnswer(exists=batch.exists, state=batch.state, results=results)

    async def _version_of(self, instance_id: str) -> str | None:
        if instance_id not in self._versions:
            self._remember(instance_id, await self._look_up(instance_id))
        return self._versions[instance_id]

    def _remember(self, instance_id: str, version: str | None) -> None:
        self._versions[instance_id] = version
        self._versions.move_to_end(instance_id)
        while len(self._versions) > _MAX_VERSIONS:
            self._versions.popitem(last=False)


def _operation(operation: EntityOperation, instance_id: str) -> pb.HistoryEvent:
    message = pb.HistoryEvent(eventId=-1)
    common: dict[str, Any] = {
        "requestId": operation.id or "",
        "operation": operation.name,
        "input": payload(operation.input),
        "targetInstanceId": StringValue(value=instance_id),
    }
    if operation.is_signal:
        message.entityOperationSignaled.CopyFrom(pb.EntityOperationSignaledEvent(**common))
    else:
        message.entityOperationCalled.CopyFrom(
            pb.EntityOperationCalledEvent(
                **common,
                parentInstanceId=wrapped(operation.parent),
                parentExecutionId=wrapped(operation.parent_execution),
            )
        )
    return message


def _failure_of(failed: WorkFailed) -> FailureDetails:
    return FailureDetails(failed.error_type, str(failed), is_non_retriable=True)


def _failed(failure: FailureDetails) -> ActivityOutcome:
    error = f"{failure.error_type}: {failure.error_message}"
    return ActivityOutcome(error=error, details=failure.stack_trace, failure=failure)


def _not_run(failure: FailureDetails) -> NumberedAnswer:
    error = f"{failure.error_type}: {failure.error_message}"
    return NumberedAnswer(error=error, failure_details=failure)
