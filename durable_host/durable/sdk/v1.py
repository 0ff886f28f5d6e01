"""The app's durable functions under the 1.x SDK: implements `UserCode` over calls into the worker."""

import copy
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import msgspec

from durable_host.durable.engine.entity_failures import MAX_BATCH_ATTEMPTS, invocation_failed, unknown_entity
from durable_host.durable.engine.missing import FunctionNames, missing_function_text
from durable_host.durable.model.events import TraceContext
from durable_host.durable.sdk.v1_activities import stored_result
from durable_host.durable.sdk.v1_answer import decode_answer, plain_failure
from durable_host.durable.sdk.v1_entities import BadEntityAnswer, decode_entity_answer, entity_payload, timed_out
from durable_host.durable.sdk.v1_payload import new_events, payload_text
from durable_host.durable.user_code import (
    ActivityOutcome,
    EntityAnswer,
    EntityBatch,
    LostRun,
    OrchestratorAnswer,
    OrchestratorTurn,
    WorkItemAborted,
)
from durable_host.invocation.errors import FunctionFailed, FunctionTimedOut, WorkerLost

SESSION_LIMIT = 20_000


class FunctionCaller(Protocol):
    """What the invocation layer does for durable functions. `function` is the function's own name.

    Raises FunctionFailed, FunctionTimedOut, WorkerLost.
    """

    async def orchestrate(
        self, function: str, payload: dict[str, Any], *, key: str, instance_id: str | None
    ) -> dict[str, Any]:
        """Run a turn in the worker that holds session `key` (`WorkerPool.orchestrate`)."""
        ...

    def forget_session(self, key: str) -> None:
        """Drop a live session in the worker."""
        ...

    def alone(self) -> "AbstractAsyncContextManager[FunctionCaller]":
        """The same calls, made in a worker where nothing else runs. Raises WorkerLost when there is none to be had."""
        ...

    async def run_activity(
        self, function: str, trigger: str, *, instance_id: str, task_id: int, trace: TraceContext | None
    ) -> str | None:
        """Invoke an activity function with its trigger string; the returned JSON text, None for no value."""
        ...

    async def run_entity(
        self, function: str, trigger: str, *, instance_id: str, trace: TraceContext | None
    ) -> str | None:
        """Invoke an entity function with its trigger payload; the text that the SDK returned."""
        ...


class UnservedNames(msgspec.Struct, frozen=True):
    """Durable functions that the app has and that cannot be called: name to reason, for each kind."""

    orchestrators: Mapping[str, str] = {}
    activities: Mapping[str, str] = {}
    entities: Mapping[str, str] = {}


class DurableNameLookup:
    """Functions of one kind by durable name, without regard to case; the function's own name will do as well."""

    def __init__(self, functions: Mapping[str, str], unserved: Mapping[str, str] | None = None) -> None:
        self._names = FunctionNames(functions, unserved)
        self._by_name = {function.casefold(): function for function in functions.values()}
        self._by_name |= {name.casefold(): function for name, function in functions.items()}

    def find(self, name: str) -> str | None:
        return self._by_name.get(name.casefold())

    def names(self) -> Sequence[str]:
        return self._names


class V1UserCode:
    """`UserCode` for the 1.x SDK. The three mappings give the function of each durable name; `unserved` has those that
    the app has and that cannot be called.
    """

    def __init__(
        self,
        calls: FunctionCaller,
        *,
        orchestrators: Mapping[str, str],
        activities: Mapping[str, str],
        entities: Mapping[str, str],
        unserved: UnservedNames | None = None,
        async_request_sleep_ms: int = 30_000,
    ) -> None:
        unserved = unserved or UnservedNames()
        self._calls = calls
        self._orchestrators = DurableNameLookup(orchestrators, unserved.orchestrators)
        self._activities = DurableNameLookup(activities, unserved.activities)
        self._entities = DurableNameLookup(entities, unserved.entities)
        self._sleep_ms = async_request_sleep_ms
        self._seen: OrderedDict[str, tuple[object, int]] = OrderedDict()

    def has_orchestrator(self, name: str) -> bool:
        return self._orchestrators.find(name) is not None

    def has_activity(self, name: str) -> bool:
        return self._activities.find(name) is not None

    def has_entity(self, name: str) -> bool:
        return self._entities.find(name) is not None

    def orchestrator_names(self) -> Sequence[str]:
        return self._orchestrators.names()

    def orchestrator_function(self, name: str) -> str:
        """The function's own name; `name` when there is no such orchestrator."""
        return self._orchestrators.find(name) or name

    def activity_names(self) -> Sequence[str]:
        return self._activities.names()

    def entity_names(self) -> Sequence[str]:
        return self._entities.names()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator["V1UserCode"]:
        """The same code in a worker where nothing else runs. Raises WorkItemAborted."""
        async with AsyncExitStack() as stack:
            other = copy.copy(self)
            other._seen = OrderedDict()
            try:
                other._calls = await stack.enter_async_context(self._calls.alone())
            except WorkerLost as lost:
                raise _aborted(lost) from lost
            yield other

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer:
        """Raises WorkItemAborted."""
        function = self._orchestrators.find(turn.name)
        if function is None:
            return plain_failure(missing_function_text("orchestrator", turn.name, self._orchestrators.names()), None)
        key = session_key(turn.instance_id, turn.execution_id)
        token, seen = self._seen.pop(key, (None, 0))
        try:
            told: dict[str, Any] = {"need": "history"}
            if token is not None and token is turn.session and seen <= len(turn.history):
                news = {"from": seen, "events": new_events(turn.history, seen)}
                told = await self._orchestrate(function, key, turn, news)
            if told.get("need") == "history":
                payload = payload_text(turn, async_request_sleep_ms=self._sleep_ms)
                told = await self._orchestrate(function, key, turn, {"payload": payload})
        except (FunctionTimedOut, WorkerLost) as lost:
            raise _aborted(lost) from lost
        except FunctionFailed as failed:
            return plain_failure(f"{failed.type}: {failed.message}", failed.stack, failed.failure)
        answer = decode_answer(told)
        may_go_on = answer.ended_at is None and not answer.is_plain_failure and not told.get("fresh")
        if may_go_on and turn.session is not None:
            self._remember(key, turn.session, len(turn.history))
        return answer

    def forget(self, instance_id: str, execution_id: str) -> None:
        """Drop the live session of an execution, if there is one."""
        key = session_key(instance_id, execution_id)
        if self._seen.pop(key, None) is not None:
            self._calls.forget_session(key)

    async def run_activity(
        self, name: str, input: str | None, *, instance_id: str, task_id: int, trace: TraceContext | None = None
    ) -> ActivityOutcome:
        """`input` is the trigger string. Raises WorkItemAborted."""
        function = self._activities.find(name)
        if function is None:
            return ActivityOutcome(error=f"Activity function '{name}' does not exist.")
        try:
            returned = await self._calls.run_activity(
                function, "null" if input is None else input, instance_id=instance_id, task_id=task_id, trace=trace
            )
        except WorkerLost as lost:
            raise _aborted(lost) from lost
        except FunctionFailed as failed:
            return ActivityOutcome(error=f"{failed.type}: {failed.message}", details=failed.stack or None)
        return ActivityOutcome(result=stored_result(returned))

    async def run_entity(self, batch: EntityBatch, *, trace: TraceContext | None = None) -> EntityAnswer:
        """Raises WorkItemAborted. A batch that fails as a whole time after time fails each of its operations."""
        function = self._entities.find(batch.name)
        if function is None:
            return unknown_entity(batch, self._entities.names())
        payload, instance_id, error = entity_payload(batch), f"@{batch.name}@{batch.key}", ""
        for _ in range(MAX_BATCH_ATTEMPTS):
            try:
                returned = await self._calls.run_entity(function, payload, instance_id=instance_id, trace=trace)
                return decode_entity_answer(returned or "", len(batch.operations))
            except WorkerLost as lost:
                raise _aborted(lost) from lost
            except FunctionTimedOut as late:
                return timed_out(batch, late.message)
            except FunctionFailed as failed:
                error = f"{failed.type}: {failed.message}"
            except BadEntityAnswer as bad:
                error = str(bad)
        return invocation_failed(batch, error)

    async def _orchestrate(
        self, function: str, key: str, turn: OrchestratorTurn, part: dict[str, Any]
    ) -> dict[str, Any]:
        request = {"key": key, "until": len(turn.history), "newFrom": turn.new_from, **part}
        return await self._calls.orchestrate(function, request, key=key, instance_id=turn.instance_id)

    def _remember(self, key: str, token: object, seen: int) -> None:
        self._seen[key] = (token, seen)
        while len(self._seen) > SESSION_LIMIT:
            self._seen.popitem(last=False)


def _aborted(lost: WorkerLost | FunctionTimedOut) -> WorkItemAborted:
    if isinstance(lost, FunctionTimedOut):
        return WorkItemAborted(str(lost), LostRun("the function timeout was exceeded", lost.was_alone, lost.message))
    if lost.ending is None:
        return WorkItemAborted(str(lost))
    return WorkItemAborted(
        str(lost), LostRun(f"the worker process died with {lost.ending}", lost.was_alone, lost.cause)
    )


def session_key(instance_id: str, execution_id: str) -> str:
    return f"{instance_id}|{execution_id}"
