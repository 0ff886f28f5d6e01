"""The second half of an episode of 2.x code, which numbers its actions itself.

The SDK handles retries, waits, split timers and the order of events, so there is nothing to walk: new actions become
history events and messages with the numbers they have, and a completion ends the instance even if tasks are open.

Source: docs/protocol/durable-v2.md#turns,
    docs/protocol/durable-v2.md#completion, docs/protocol/durable-v2.md#continue-as-new
"""

from collections.abc import Callable, Sequence

import msgspec

from durable_host.durable.engine import custom_status
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.completion import FIRE_AND_FORGET, Completion, ended_by_termination
from durable_host.durable.engine.episode_start import episode_time, turn_of
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.numbered_outbound import carry_out_numbered
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.reports import Reports
from durable_host.durable.engine.sending import SendingOrchestration
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionSuspended,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorStarted,
)
from durable_host.durable.model.numbered import (
    CompleteOrchestration,
    EntityUnlockSent,
    NumberedAction,
    RewindOrchestration,
    ScheduleTask,
    SendEvent,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.user_code import NumberedAnswer, OrchestratorTurn, UserCode, first_number

INVOCATION_FAILED = "FunctionInvocationFailed"
NON_DETERMINISM_ERROR = "NonDeterminismError"
RELEASE = "release"
"""The name of the event that releases the lock of an entity, where code sends DurableTask.Core's own messages."""
ENDED_EARLY = (
    "The code ended during its replay, before it reached the point where the history says that it waited: it does less "
    "than it did before."
)
_ENDS = (OrchestrationStatus.Completed, OrchestrationStatus.Failed, OrchestrationStatus.Terminated)


class NumberedEpisode:
    """The second half of an episode in progress. `new_id` returns execution IDs (32 hex digits)."""

    def __init__(
        self,
        state: OrchestrationState,
        now: int,
        new_id: Callable[[], str],
        code: UserCode,
        options: EngineOptions,
        reports: Reports,
    ) -> None:
        self._state = state
        self._now = now
        self._new_id = new_id
        self._code = code
        self._options = options
        self._reports = reports

    def run(self, answer: NumberedAnswer) -> OrchestratorTurn | None:
        """Carry out the answer. Return the turn of the next execution if the code continues as new. Raises
        OrchestrationFault.
        """
        state = self._state
        state.unfed_from = None
        state.worker_trace = answer.worker_trace
        state.held_activities.clear()
        self._reports.position = answer.position
        for warning in answer.warnings:
            self._reports.add(codes.CODE_WARNING, "warning", warning)
        for note in answer.notes:
            self._reports.note(note)
        if answer.error is not None:
            return self._not_run(answer)
        complaint = custom_status.take(state, answer.custom_status, self._reports)
        if complaint is not None:
            raise OrchestrationFault(None, failure_details=FailureDetails(INVOCATION_FAILED, complaint))
        if answer.has_ended_early:
            self._report_non_determinism(ENDED_EARLY)
            raise OrchestrationFault(None, failure_details=FailureDetails(NON_DETERMINISM_ERROR, ENDED_EARLY))
        is_lost = answer.is_non_deterministic
        completion = self._check([one for one in answer.actions if not is_lost or _is_carried_out_anyway(one)])
        if is_lost and completion is not None:
            failure = completion.failure or FailureDetails()
            self._report_non_determinism((failure.error_message or "").strip())
        for action in answer.actions:
            if action is not completion and (not is_lost or _is_carried_out_anyway(action)):
                self._carry_out(action, is_ending=completion is not None)
        if completion is None:
            return None
        if completion.status is OrchestrationStatus.ContinuedAsNew:
            return self._continue_as_new(completion)
        state.work_item.failure = answer.failure
        self.complete(_completion_of(completion), completion.id)
        return None

    def complete(self, completion: Completion, number: int | None = None) -> None:
        """End the execution with the action's number, or with the next free one."""
        state = self._state
        state.append(completion.event(state.max_event_id + 1 if number is None else number, self._now))
        if state.parent is not None and FIRE_AND_FORGET not in (state.tags or {}):
            message = completion.message_to(state.parent, state.instance, state.episodes, self._now)
            state.work_item.outbound.append(message)

    def _not_run(self, answer: NumberedAnswer) -> None:
        """Fail the instance because the code gave no answer. A termination still takes effect."""
        state = self._state
        if state.termination is not None:
            self.complete(ended_by_termination(state.termination.input))
            return
        details = answer.failure_details
        if details is None:
            details = FailureDetails(INVOCATION_FAILED, answer.error, answer.error_details)
        raise OrchestrationFault(None, failure_details=details, failure=answer.failure)

    def _check(self, actions: Sequence[NumberedAction]) -> CompleteOrchestration | None:
        """Return the completion among the actions. Raises OrchestrationFault for an answer that no SDK would give."""
        seen: set[int] = set()
        completion: CompleteOrchestration | None = None
        for action in actions:
            if isinstance(action, CompleteOrchestration):
                if completion is not None:
                    raise _unusable("it completes twice")
                if action.status not in (*_ENDS, OrchestrationStatus.ContinuedAsNew):
                    raise _unusable(f"it completes with the status {action.status.name}")
                completion = action
                continue
            if isinstance(action, RewindOrchestration):
                raise _unusable("it rewinds an instance that is not being rewound")
            if action.id < first_number(self._code):
                raise _unusable(f"an action has the number {action.id}")
            if action.id in seen:
                raise _unusable(f"two actions have the number {action.id}")
            if self._state.calls.is_open(action.id):
                raise _unusable(f"an action has the number {action.id} of a call that is open")
            seen.add(action.id)
        if len(actions) > self._options.max_orchestration_actions:
            raise _unusable(f"it has {len(actions)} actions, more than {self._options.max_orchestration_actions}")
        return completion

    def _report_non_determinism(self, text: str) -> None:
        self._reports.add(
            codes.NON_DETERMINISM,
            "error",
            f"{text.rstrip('.')}. Likely causes: the code was changed since the instance started; or the orchestrator "
            "reads the clock, random numbers, the environment or other outside state instead of its context.",
        )

    def _carry_out(self, action: NumberedAction, *, is_ending: bool) -> None:
        """Append the action's event and messages. An activity beyond the window is omitted; later answers repeat it."""
        state, window = self._state, self._options.activity_window
        is_full = window is not None and state.calls.open_activities >= window
        if is_full and isinstance(action, ScheduleTask) and not is_ending:
            state.held_activities.append(action.id)
            return
        event, scheduled = carry_out_numbered(action, self._sender(), state.calls.latest(action.id))
        if event is not None:
            state.append(event)
        if scheduled.request is not None:
            state.calls.sent(action.id, scheduled.request)
        state.work_item.outbound.extend(scheduled.messages)
        if scheduled.refusal is not None:
            self._reports.refusal(scheduled.refusal)

    def _sender(self) -> SendingOrchestration:
        state = self._state
        assert state.started is not None
        return SendingOrchestration(state.instance, state.started, state.episodes, self._now, self._code, self._options)

    def _continue_as_new(self, completion: CompleteOrchestration) -> OrchestratorTurn:
        """Begin the next execution in this work item.

        A message of this turn that arrived after the end, so that the old code did not see it, goes to the new
        execution.
        """
        state, item = self._state, self._state.work_item
        assert state.started is not None
        now = episode_time(state, self._now)
        started = msgspec.structs.replace(
            state.started,
            orchestration_instance=OrchestrationInstance(state.instance_id, self._new_id()),
            input=completion.result or None,
            version=completion.new_version or state.started.version,
            timestamp=now,
            is_played=False,
            generation=None,
            scheduled_start_time=None,
        )
        carried: list[HistoryEvent] = [
            msgspec.structs.replace(event, timestamp=now, event_id=-1, is_played=False)
            for event in completion.carried
            if isinstance(event, EventRaised)
        ]
        if state.is_suspended:
            suspensions = (one for one in reversed(state.history) if isinstance(one, ExecutionSuspended))
            carried += [msgspec.structs.replace(one, is_played=False) for one in suspensions][:1]
        if state.termination is not None:
            carried.append(msgspec.structs.replace(state.termination, is_played=False))
        if item.first_ordinal > 0:
            item.replaced_execution_id = item.execution_id
        item.first_ordinal = 0
        state.restart([OrchestratorStarted(timestamp=now), started, *carried])
        state.keeps_custom_status = True
        return turn_of(state)


def _completion_of(action: CompleteOrchestration) -> Completion:
    failure = action.failure
    if action.status is OrchestrationStatus.Failed and failure is None:
        failure = FailureDetails(INVOCATION_FAILED, action.result or action.details)
    return Completion(action.status, action.result or None, failure_details=failure)


def _is_carried_out_anyway(action: NumberedAction) -> bool:
    """True for the actions of non-deterministic code that are carried out: its end, and releases of locks."""
    if isinstance(action, CompleteOrchestration):
        return True
    if isinstance(action, SendEvent):
        return action.name == RELEASE and action.instance_id.startswith("@")
    return isinstance(action, EntityUnlockSent)


def _unusable(why: str) -> OrchestrationFault:
    text = f"The orchestrator's answer cannot be used: {why}."
    return OrchestrationFault(None, failure_details=FailureDetails(INVOCATION_FAILED, text))
