"""Replays histories with the app's code to learn what they do not contain: waits for events, and where the code stands.

A replay changes nothing and logs nothing. It runs only for calls of the API, one at a time, and its result is kept
until the history or the code changes. Code that hangs or ends its worker is not replayed again.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Hashable, Sequence

from durable_host.dashboard.sources import HubSource
from durable_host.dashboard.views.code_trace import CodeTrace, numbered_trace_of, trace_of
from durable_host.durable.engine.episode_start import turn_of, turn_of_episode
from durable_host.durable.engine.renumbering import as_seen, is_begun_by_v1
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import ExecutionStarted, HistoryEvent
from durable_host.durable.runtime.runtime import engine_options
from durable_host.durable.user_code import (
    NumberedAnswer,
    OrchestratorAnswer,
    UserCode,
    WorkItemAborted,
    continues_core,
    dialect_of,
    numbers_its_actions,
    reading_code,
)

_log = logging.getLogger("Host.Dashboard")

PATIENCE = 5.0
"""Seconds to wait for a replay. One that takes longer goes on in the worker, and its result is not used."""
MOST_EVENTS = 50_000
_KEPT = 64


class CodeReader:
    """Owns the results of the last replays, and the names of orchestrators that must not be replayed again."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._app: object = None
        self._traces: OrderedDict[Hashable, CodeTrace | None] = OrderedDict()
        self._harmful: set[str] = set()

    async def trace(self, hub: HubSource, instance_id: str, events: Sequence[HistoryEvent]) -> CodeTrace | None:
        """Return what the code does in this history; None if no app runs here, or if its code cannot be replayed."""
        code = None if hub.code is None else reading_code(hub.code)
        started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
        if code is None or started is None or len(events) > MOST_EVENTS or not code.has_orchestrator(started.name):
            return None
        execution_id = started.orchestration_instance.execution_id
        key = (instance_id, execution_id, len(events), hash(tuple(map(type, events))))
        async with self._one_at_a_time:
            self._adopt(getattr(hub.code, "code", hub.code))
            if key not in self._traces:
                self._traces[key] = await self._replay(code, hub, instance_id, events, started.name)
                if len(self._traces) > _KEPT:
                    self._traces.popitem(last=False)
            self._traces.move_to_end(key)
            return self._traces[key]

    def _adopt(self, app: object) -> None:
        """Forget what the code of an earlier state of the app did."""
        if app is not self._app:
            self._app = app
            self._traces.clear()
            self._harmful.clear()

    async def _replay(
        self, code: UserCode, hub: HubSource, instance_id: str, events: Sequence[HistoryEvent], name: str
    ) -> CodeTrace | None:
        if name in self._harmful:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                if numbers_its_actions(code):
                    return await _numbered_trace(code, instance_id, events)
                return await _trace(code, hub, instance_id, events)
        except (TimeoutError, WorkItemAborted) as error:
            self._harmful.add(name)
            _log.debug("The orchestrator '%s' is not replayed again: %s", name, error or "it takes too long")
            return None
        except Exception as error:
            _log.debug(
                "The code of instance '%s' could not be replayed: %s: %s", instance_id, type(error).__name__, error
            )
            return None


async def _trace(code: UserCode, hub: HubSource, instance_id: str, events: Sequence[HistoryEvent]) -> CodeTrace:
    state = OrchestrationState.from_history(instance_id, events)
    seen = OrchestrationState.from_history(instance_id, state.seen_by_code())
    answer = await code.run_orchestrator(turn_of(seen))
    assert isinstance(answer, OrchestratorAnswer)
    return trace_of(instance_id, seen.history, answer, engine_options(hub.options), dialect_of(code))


async def _numbered_trace(code: UserCode, instance_id: str, events: Sequence[HistoryEvent]) -> CodeTrace | None:
    is_of_core = continues_core(code)
    if is_begun_by_v1(events) and not is_of_core:
        return None
    seen = events if is_of_core else as_seen(events).events
    state = OrchestrationState.from_history(instance_id, seen, is_numbered=True)
    turn = turn_of_episode(state, state.episodes)
    if turn is None:
        return None
    answer = await code.run_orchestrator(turn)
    assert isinstance(answer, NumberedAnswer)
    return numbered_trace_of(turn.history, answer)
