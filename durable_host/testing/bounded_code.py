"""Lets the functions of an app run only as often as a `WorkBound` allows, and notes which ones run."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from durable_host.durable.user_code import (
    ActivityOutcome,
    EntityAnswer,
    EntityBatch,
    NumberedAnswer,
    OrchestratorAnswer,
    OrchestratorTurn,
    UserCode,
    WorkItemAborted,
)
from durable_host.host.replaceable_user_code import ReplaceableUserCode
from durable_host.invocation.attempt import Attempt
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invoker import Pipeline
from durable_host.invocation.requests import InvocationResponse
from durable_host.testing.running_calls import RunningCalls
from durable_host.testing.work_bound import WorkBound

_STOPPED = "The app is stopped: it works without end."
_DURABLE_TRIGGERS = frozenset({"orchestrationtrigger", "activitytrigger", "entitytrigger"})


class BoundedCode(ReplaceableUserCode):
    """Delegates to `code` until the app is stopped, and counts the runs that cause further ones."""

    def __init__(self, code: UserCode, bound: WorkBound, calls: RunningCalls) -> None:
        super().__init__(code)
        self._bound = bound
        self._calls = calls

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer | NumberedAnswer:
        if turn.new_from == 0:
            self._bound.shorten_log(turn.name)
            self._bound.execution_begins(turn.instance_id, turn.execution_id, turn.name)
        self._refuse_if_stopped()
        with self._calls.running(f"The orchestrator '{turn.name}' of instance '{turn.instance_id}'"):
            answer = await super().run_orchestrator(turn)
        if _advances(answer, turn):
            self._bound.instance_advances(turn.instance_id, turn.name)
        return answer

    async def run_activity(self, name: str, input: str | None, **details: Any) -> ActivityOutcome:
        self._refuse_if_stopped()
        return await super().run_activity(name, input, **details)

    async def run_entity(self, batch: EntityBatch, **details: Any) -> EntityAnswer:
        self._bound.entity_runs(batch.name, batch.key)
        self._refuse_if_stopped()
        return await super().run_entity(batch, **details)

    def _refuse_if_stopped(self) -> None:
        if self._bound.is_stopped:
            raise WorkItemAborted(_STOPPED)


def with_bound(pipeline: Pipeline, bound: WorkBound, calls: RunningCalls) -> Pipeline:
    """The pipeline that also notes which functions run, and counts the runs of those that are not durable ones."""
    inner = pipeline.interception

    async def run(attempt: Attempt, real: Callable[[], Awaitable[InvocationResponse]]) -> InvocationResponse:
        function = attempt.function
        bound.shorten_log(function.name)
        if function.trigger.type.lower() not in _DURABLE_TRIGGERS:
            bound.function_runs(function.name)
            if bound.is_stopped:
                raise FunctionFailed("EndlessWork", _STOPPED)
        instance = f" of instance '{attempt.instance_id}'" if attempt.instance_id is not None else ""
        with calls.running(f"The function '{function.name}'{instance}"):
            return await (real() if inner is None else inner(attempt, real))

    return msgspec.structs.replace(pipeline, interception=run)


def _advances(answer: OrchestratorAnswer | NumberedAnswer, turn: OrchestratorTurn) -> bool:
    """Whether the code has called or awaited something that it had not before."""
    if isinstance(answer, NumberedAnswer):
        return bool(answer.actions)
    return any(step.event_index >= turn.new_from for step in answer.steps)
