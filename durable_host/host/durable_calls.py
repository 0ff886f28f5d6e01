"""Runs durable functions as invocations, through the worker pool and the invoker."""

import copy
import json
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec

from durable_host.config import binding_data
from durable_host.durable.model.events import TraceContext
from durable_host.durable.sdk.app_code import UnservedNames
from durable_host.durable.user_code import OrchestratorTurn
from durable_host.host.functions import AbsentFunction
from durable_host.invocation import log_relay
from durable_host.invocation.datum import Datum, string
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.requests import InvocationRequest
from durable_host.invocation.workers import Workers

_KINDS = {
    "orchestrationtrigger": "orchestration",
    "activitytrigger": "activity",
    "entitytrigger": "entityName",
}


class DurableNames(msgspec.Struct, frozen=True):
    """Durable name → function name, for each kind of durable function."""

    orchestrators: dict[str, str]
    activities: dict[str, str]
    entities: dict[str, str]


def durable_names(functions: tuple[FunctionMetadata, ...]) -> DurableNames:
    """The durable names: the attribute of the binding, otherwise the function's name."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS}
    for function in functions:
        kind = function.trigger.type.lower()
        if kind in found:
            found[kind][function.trigger.text(_KINDS[kind]) or function.name] = function.name
    return DurableNames(found["orchestrationtrigger"], found["activitytrigger"], found["entitytrigger"])


class _Operation(msgspec.Struct, frozen=True):
    name: str | None = None


class _Batch(msgspec.Struct, frozen=True):
    batch: list[_Operation] = []


_batches = msgspec.json.Decoder(_Batch)
_MOST_NAMED = 5


def _operations(trigger: str) -> list[str]:
    """The operation names in a payload of the 1.x protocol."""
    try:
        return [str(operation.name) for operation in _batches.decode(trigger).batch]
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return []


def _entity_reason(instance_id: str, operations: Sequence[str]) -> str:
    """`Entity '@counter@k', operations 'add', 'get'.`"""
    names = [f"'{name}'" for name in operations]
    if not names:
        return f"Entity '{instance_id}'."
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    word = "operation" if len(names) == 1 else "operations"
    return f"Entity '{instance_id}', {word} {', '.join(names[:_MOST_NAMED])}{more}."


def unserved_names(absent: Iterable[AbsentFunction]) -> UnservedNames:
    """Why functions cannot be called, by durable name. A function with an unknown trigger counts for all kinds."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS}
    for function in absent:
        trigger = function.trigger
        for kind, property_name in _KINDS.items():
            if trigger is None or trigger.type.lower() == kind:
                durable_name = trigger.text(property_name) if trigger is not None else None
                found[kind] |= {name: function.reason for name in (function.name, durable_name) if name}
    return UnservedNames(found["orchestrationtrigger"], found["activitytrigger"], found["entitytrigger"])


class DurableCalls:
    """Runs durable functions by function name; implements `FunctionCaller`."""

    def __init__(
        self,
        pool: WorkerPool,
        invoker: Invoker,
        functions: tuple[FunctionMetadata, ...],
        *,
        orchestrator_timeout: float | None,
    ) -> None:
        self._pool = pool
        self._invoker = invoker
        self._functions = {function.name: function for function in functions}
        self._timeout = orchestrator_timeout
        self._workers: Workers | None = None
        self._is_unlogged = False
        self.result_json: Callable[[FunctionMetadata, Datum], str | None] = python_result
        """The JSON text of what an activity returned."""
        self.activity_input: Callable[[str], Datum] = string
        """The value that an activity gets for its trigger text."""

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator["DurableCalls"]:
        """The same calls, in a separate worker process. Raises WorkerLost."""
        async with self._pool.alone() as workers:
            other = copy.copy(self)
            other._workers = workers
            yield other

    def unlogged(self) -> "DurableCalls":
        """The same calls without a time limit. Their turns of orchestrators log nothing."""
        other = copy.copy(self)
        other._timeout, other._is_unlogged = None, True
        return other

    async def orchestrate(
        self, function: str, payload: dict[str, object], *, key: str, instance_id: str | None
    ) -> dict[str, object]:
        return await self._pool.orchestrate(
            function,
            payload,
            key=key,
            instance_id=instance_id,
            invocation_id=log_relay.unlogged_id() if self._is_unlogged else None,
            timeout=self._timeout,
            workers=self._workers,
        )

    def forget_session(self, key: str) -> None:
        self._pool.forget_session(key)

    async def run_turn(self, function: str, request: str, *, key: str, turn: OrchestratorTurn) -> str | None:
        invocation = InvocationRequest(
            function=function,
            invocation_id=log_relay.unlogged_id() if self._is_unlogged else str(uuid.uuid4()),
            inputs={self._functions[function].trigger.name: string(request)},
            trigger_metadata={"instanceId": turn.instance_id},
            trace_parent=turn.trace_parent,
            trace_state=turn.trace_state,
        )
        response = await self._pool.invoke(invocation, timeout=self._timeout, key=key, workers=self._workers)
        return response.return_value.as_text() if response.return_value is not None else None

    def session_worker(self, key: str) -> object | None:
        return (self._workers or self._pool.current).pick(key)

    async def run_activity(
        self, function: str, trigger: str, *, instance_id: str, task_id: int, trace: TraceContext | None
    ) -> str | None:
        reason = f"Orchestration '{instance_id}', task {task_id}."
        outcome = await self._run(function, self.activity_input(trigger), instance_id, reason, trace)
        if outcome.return_value is None:
            return None
        return self.result_json(self._functions[function], outcome.return_value)

    async def run_entity(
        self,
        function: str,
        trigger: str,
        *,
        instance_id: str,
        trace: TraceContext | None,
        operations: Sequence[str] | None = None,
    ) -> str | None:
        names = _operations(trigger) if operations is None else operations
        outcome = await self._run(function, string(trigger), instance_id, _entity_reason(instance_id, names), trace)
        return outcome.return_value.as_text() if outcome.return_value is not None else None

    async def _run(
        self, name: str, trigger: Datum, instance_id: str, reason: str, trace: TraceContext | None
    ) -> Outcome:
        function = self._functions[name]
        data: dict[str, object] = {}
        if len(function.bindings) > 1:
            data = activity_data(function, trigger.value, {"instanceId": instance_id})
        return await self._invoker.invoke(
            function,
            trigger_value=trigger,
            trigger_metadata={"instanceId": instance_id},
            binding_data=data,
            reason=reason,
            trace_parent=trace.trace_parent if trace is not None else None,
            trace_state=trace.trace_state if trace is not None else None,
            workers=self._workers,
        )


def activity_data(function: FunctionMetadata, trigger: str, own: dict[str, object]) -> dict[str, object]:
    """The binding data of an activity.

    It has `own`, the input's JSON text as `data` and under the parameter's name, and the members of an object.
    """
    return binding_data.merged({**own, "data": trigger, function.trigger.name: trigger}, trigger)


def python_result(function: FunctionMetadata, value: Datum) -> str | None:
    """Return the result of an activity of a Python app: its SDK returns JSON text, unless an output is bound to it."""
    return returned_json(value) if function.return_binding is not None else value.as_text()


def returned_json(value: Datum) -> str | None:
    """The result of an activity whose return value is bound to an output. A string stays a string, even if it is JSON.

    JSON that the SDK has created for the binding, and numbers, are the result unchanged.
    """
    if value.kind in ("string", "bytes"):
        return json.dumps(value.as_text())
    return value.as_text()
