"""Logs the start and the end of each orchestration, with the reason if it failed.

The lines are written when work items run and are committed, never during a replay. Start and end look like those of
other functions; everything in between uses the category of the Durable extension.

Source: docs/protocol/functions-host-cli.md#invocation-lines, docs/protocol/functions-host-cli.md#log-levels
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from durable_host.durable.engine.outcome import EpisodeOutcome
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    GenericEvent,
    HistoryEvent,
    OrchestratorStarted,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import UserCode
from durable_host.invocation.code_failure import CodeFailure

_log = logging.getLogger("Host.Triggers.DurableTask")

_REMEMBERED = 10_000
_TICKS_PER_MILLISECOND = 10_000
_WORDS = {OrchestrationStatus.Completed: "Succeeded"}
_LEVELS = {OrchestrationStatus.Failed: logging.ERROR, OrchestrationStatus.Terminated: logging.WARNING}


class _LoggedRun:
    """An orchestration whose start was logged, across all generations. `since` is in ticks."""

    __slots__ = ("execution_id", "since")

    def __init__(self, execution_id: str | None, since: int) -> None:
        self.execution_id = execution_id
        self.since = since


class OrchestrationLog:
    """Logs each start and each end once. It remembers a limited number of them."""

    def __init__(self, code: UserCode) -> None:
        self._code = code
        self._runs: OrderedDict[str, _LoggedRun] = OrderedDict()

    def received(self, state: OrchestrationState, events: Sequence[HistoryEvent]) -> None:
        """Log that `events` entered the history and the code runs next. May be called repeatedly for a work item."""
        run = self._runs.get(state.instance_id)
        if run is not None and run.execution_id != state.execution_id:
            del self._runs[state.instance_id]
        for event in events:
            if isinstance(event, ExecutionStarted):
                parent = event.parent_instance
                child = f"Sub-orchestration of '{parent.orchestration_instance.instance_id}'." if parent else ""
                self._started(state, child)
            elif isinstance(event, GenericEvent):
                self._started(state, f"Rewound: {event.data}" if event.data else "Rewound.")

    def committed(self, state: OrchestrationState, outcome: EpisodeOutcome, events: Sequence[HistoryEvent]) -> None:
        """Log the outcome of a committed work item that started with `events`."""
        run = self._runs.get(state.instance_id)
        is_other = run is not None and run.execution_id != state.execution_id
        if outcome.replaced_execution_id is not None or is_other:
            self._note(state, "continued as new", "Running")
        if run is not None:
            run.execution_id = state.execution_id
        if outcome.is_terminal:
            self._ended(state, outcome.new_events, outcome.failure)
        for event in events:
            if isinstance(event, ExecutionSuspended):
                self._note(state, "was suspended" + (f": {event.reason}" if event.reason else ""), "Suspended")
            elif isinstance(event, ExecutionResumed):
                self._note(state, "was resumed" + (f": {event.reason}" if event.reason else ""), "Running")

    def found_ended(self, state: OrchestrationState) -> None:
        """Log the end of an instance found to have ended, because the response to that commit may have been lost."""
        run = self._runs.get(state.instance_id)
        if run is not None and run.execution_id == state.execution_id:
            self._ended(state, state.history, None)

    def _started(self, state: OrchestrationState, reason: str) -> None:
        run = self._runs.get(state.instance_id)
        if run is not None and run.execution_id == state.execution_id:
            return
        self._runs[state.instance_id] = _LoggedRun(state.execution_id, state.now)
        if len(self._runs) > _REMEMBERED:
            self._runs.popitem(last=False)
        function = self._code.orchestrator_function(state.name)
        log = logging.getLogger(f"Function.{function}")
        if not log.isEnabledFor(logging.INFO):
            return
        log.info(
            "Executing 'Functions.%s' (Reason='%s', InstanceId=%s)",
            function,
            reason or "Orchestration started.",
            state.instance_id,
            extra={
                **_extra(state, function),
                "brief": f"started ({state.instance_id})" + (f": {reason}" if reason else ""),
                "status": OrchestrationStatus.Running.name,
            },
        )

    def _ended(self, state: OrchestrationState, events: Sequence[HistoryEvent], failure: CodeFailure | None) -> None:
        completed = next((one for one in reversed(events) if isinstance(one, ExecutionCompleted)), None)
        if completed is None:
            return
        run = self._runs.pop(state.instance_id, None)
        begun = (one.timestamp for one in state.history if isinstance(one, OrchestratorStarted))
        since = next(begun, state.now) if run is None else run.since
        duration = max(0, completed.timestamp - since) // _TICKS_PER_MILLISECOND
        status = completed.orchestration_status
        function = self._code.orchestrator_function(state.name)
        log, level = logging.getLogger(f"Function.{function}"), _LEVELS.get(status, logging.INFO)
        if not log.isEnabledFor(level):
            return
        text = (
            f"Executed 'Functions.{function}' ({_WORDS.get(status, status.name)}, InstanceId={state.instance_id}, "
            f"RuntimeStatus={status.name}, Duration={duration}ms)"
        )
        brief = f"{status.name.lower()} in {duration} ms ({state.instance_id})"
        extra = {**_extra(state, function), "status": status.name, "duration_ms": duration}
        if status is OrchestrationStatus.Failed:
            failure = failure or _failure_of_host(completed)
            text, brief = f"{text}\n{failure.block()}", f"{brief}: {failure.brief()}"
            extra["exception"] = failure.members()
        elif status is OrchestrationStatus.Terminated and completed.result:
            text, brief = f"{text}\nReason: {completed.result}", f"{brief}: {completed.result}"
        log.log(level, "%s", text, extra={**extra, "brief": brief})

    def _note(self, state: OrchestrationState, what: str, status: str) -> None:
        if _log.isEnabledFor(logging.INFO):
            function = self._code.orchestrator_function(state.name)
            text = f"The orchestration '{function}' {what} (InstanceId={state.instance_id})"
            _log.info("%s", text, extra={**_extra(state, function), "status": status})


def _failure_of_host(completed: ExecutionCompleted) -> CodeFailure:
    details = completed.failure_details
    if details is not None:
        return CodeFailure(type=details.error_type or "", message=details.error_message or "")
    return CodeFailure(type="", message=completed.result or "")


def _extra(state: OrchestrationState, function: str) -> dict[str, Any]:
    return {"function": function, "instance_id": state.instance_id}
