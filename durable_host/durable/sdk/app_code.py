"""The app's durable functions as the runtime calls them, for any SDK generation: names, live sessions, lost workers."""

import copy
import uuid
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, Self

import msgspec

from durable_host.durable.engine.missing_functions import FunctionNames
from durable_host.durable.model.events import TraceContext
from durable_host.durable.user_code import LostRun, OrchestratorTurn, WorkItemAborted
from durable_host.invocation.errors import FunctionTimedOut, WorkerLost

SESSION_LIMIT = 20_000


class FunctionCaller(Protocol):
    """The calls that the invocation layer makes for durable functions. `function` is the function's own name.

    Raises FunctionFailed, FunctionTimedOut, WorkerLost.
    """

    async def orchestrate(
        self, function: str, payload: dict[str, Any], *, key: str, instance_id: str | None
    ) -> dict[str, Any]:
        """Run a turn in the worker that has the session `key` (`WorkerPool.orchestrate`)."""
        ...

    def forget_session(self, key: str) -> None:
        """Drop a live session in the worker."""
        ...

    def unlogged(self) -> "FunctionCaller":
        """Return a caller without a time limit whose calls log nothing."""
        ...

    def alone(self) -> "AbstractAsyncContextManager[FunctionCaller]":
        """Yield a caller for a worker where nothing else runs. Raises WorkerLost if there is none."""
        ...

    async def run_activity(
        self, function: str, trigger: str, *, instance_id: str, task_id: int, trace: TraceContext | None
    ) -> str | None:
        """Invoke an activity function with its trigger text. Returns JSON text, or None for no value."""
        ...

    async def run_entity(
        self,
        function: str,
        trigger: str,
        *,
        instance_id: str,
        trace: TraceContext | None,
        operations: Sequence[str] | None = None,
    ) -> str | None:
        """Invoke an entity function with its trigger payload. Returns the text from the SDK.

        `operations` is used in the log if the payload is not JSON.
        """
        ...


class UnservedNames(msgspec.Struct, frozen=True):
    """Durable functions of the app that cannot be called: name to reason, for each kind."""

    orchestrators: Mapping[str, str] = {}
    activities: Mapping[str, str] = {}
    entities: Mapping[str, str] = {}


class DurableNameLookup:
    """Finds functions of one kind by durable name or by the function's own name. Names are not case-sensitive."""

    def __init__(self, functions: Mapping[str, str], unserved: Mapping[str, str] | None = None) -> None:
        self._names = FunctionNames(functions, unserved)
        self._by_name = {function.casefold(): function for function in functions.values()}
        self._by_name |= {name.casefold(): function for name, function in functions.items()}

    def find(self, name: str) -> str | None:
        return self._by_name.get(name.casefold())

    def names(self) -> Sequence[str]:
        return self._names


class AppCode:
    """The common part of both SDK generations.

    The three mappings give the function of each durable name. `unserved` contains functions of the app that cannot be
    called.
    """

    def __init__(
        self,
        calls: FunctionCaller,
        *,
        orchestrators: Mapping[str, str],
        activities: Mapping[str, str],
        entities: Mapping[str, str],
        unserved: UnservedNames | None = None,
    ) -> None:
        unserved = unserved or UnservedNames()
        self._calls = calls
        self._orchestrators = DurableNameLookup(orchestrators, unserved.orchestrators)
        self._activities = DurableNameLookup(activities, unserved.activities)
        self._entities = DurableNameLookup(entities, unserved.entities)
        self._seen: OrderedDict[str, tuple[object, int]] = OrderedDict()
        self._is_reading = False

    def has_orchestrator(self, name: str) -> bool:
        return self._orchestrators.find(name) is not None

    def has_activity(self, name: str) -> bool:
        return self._activities.find(name) is not None

    def has_entity(self, name: str) -> bool:
        return self._entities.find(name) is not None

    def orchestrator_names(self) -> Sequence[str]:
        return self._orchestrators.names()

    def orchestrator_function(self, name: str) -> str:
        """Return the function's own name, or `name` if there is no such orchestrator."""
        return self._orchestrators.find(name) or name

    def activity_names(self) -> Sequence[str]:
        return self._activities.names()

    def entity_names(self) -> Sequence[str]:
        return self._entities.names()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[Self]:
        """Yield the same code in a worker where nothing else runs. Raises WorkItemAborted."""
        async with AsyncExitStack() as stack:
            other = copy.copy(self)
            other._seen = OrderedDict()
            try:
                other._calls = await stack.enter_async_context(self._calls.alone())
            except WorkerLost as lost:
                raise aborted(lost) from lost
            yield other

    def reading(self) -> Self | None:
        """Return the same code for replays that a person looks at: they log nothing and do not touch live sessions.

        None if the worker of the language does not support them.
        """
        other = copy.copy(self)
        other._seen = OrderedDict()
        other._calls = self._calls.unlogged()
        other._is_reading = True
        return other

    def forget(self, instance_id: str, execution_id: str) -> None:
        """Drop the live session of an execution, if there is one."""
        key = session_key(instance_id, execution_id)
        if self._seen.pop(key, None) is not None:
            self._calls.forget_session(key)

    def _request(self, turn: OrchestratorTurn) -> dict[str, Any]:
        """Return the members that all requests for a turn have in common. `key` is a text."""
        request: dict[str, Any] = {"until": len(turn.history)}
        key = session_key(turn.instance_id, turn.execution_id)
        if self._is_reading:
            return {**request, "key": f"{key}|{uuid.uuid4().hex}", "once": True}
        return {**request, "key": key}

    def _remember(self, key: str, token: object, seen: int) -> None:
        self._seen[key] = (token, seen)
        while len(self._seen) > SESSION_LIMIT:
            self._seen.popitem(last=False)


def aborted(lost: WorkerLost | FunctionTimedOut) -> WorkItemAborted:
    if isinstance(lost, FunctionTimedOut):
        return WorkItemAborted(str(lost), LostRun("the function timeout was exceeded", lost.was_alone, lost.message))
    if lost.ending is None:
        return WorkItemAborted(str(lost))
    return WorkItemAborted(
        str(lost), LostRun(f"the worker process died with {lost.ending}", lost.was_alone, lost.cause)
    )


def session_key(instance_id: str, execution_id: str) -> str:
    return f"{instance_id}|{execution_id}"
