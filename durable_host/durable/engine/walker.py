"""Walks the history event by event beside the user code's steps and numbers what was decided.

For each event first the engine's own retry loops react, then the actions that user code produced during that event
are started in order (children depth first, left to right); one counter a generation numbers both. So the numbers
equal the SDK's by construction, however messages were batched. Source: spec/durable-protocol.md, sections 3.4, 3.5
and 3.10.
"""

from collections.abc import Iterable, Iterator, Sequence

from durable_host.durable.engine.decisions import SendDecision
from durable_host.durable.engine.entity_messages import request_id_of
from durable_host.durable.engine.external_events import ExternalEvents, Finding
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.nondeterminism import ScheduledEvent, mismatch
from durable_host.durable.engine.numbering import Numbering, OpenTask, TaskKind
from durable_host.durable.engine.retries import RetryLoop
from durable_host.durable.model.actions import (
    Action,
    CallActivity,
    CallEntity,
    CallHttp,
    CallSubOrchestrator,
    ContinueAsNewAction,
    CreateTimer,
    SignalEntity,
    UnknownAction,
    WaitForExternalEvent,
    WhenAll,
    WhenAny,
)
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    HistoryEvent,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.sdk.port import Step


class NonDeterminism(Exception):
    """A scheduled event of the history has no matching decision in the replay."""

    def __init__(self, text: str, event: ScheduledEvent, history_index: int, position: str | None) -> None:
        super().__init__(text)
        self.event = event
        self.history_index = history_index
        self.position = position


class Walker(Numbering):
    """Where one execution stands; owned by its OrchestrationState. `cursor` is the first event not walked yet."""

    def __init__(self, instance_id: str, execution_id: str, *, max_actions: int, reorder_window: int) -> None:
        super().__init__(instance_id, execution_id, max_actions=max_actions, reorder_window=reorder_window)
        self.cursor = 0
        self.actions_started = 0
        self.has_ended = False
        self.continue_as_new: ContinueAsNewAction | None = None
        self.events = ExternalEvents()
        self._findings: list[tuple[int, Finding]] = []
        self._timer_ids: dict[tuple[int, int], int] = {}
        self._positions: dict[int, str] = {}

    def take_findings(self) -> list[tuple[int, Finding]]:
        """What was noticed since the last call, each with the index of the event during which it was."""
        findings, self._findings = self._findings, []
        return findings

    def walk(self, history: Sequence[HistoryEvent], steps: Sequence[Step], *, ended_at: int | None = None) -> None:
        """Walk the events from `cursor` on with the steps made during them. Raises NonDeterminism."""
        next_step = 0
        for index in range(self.cursor, len(history)):
            event = history[index]
            self._react(event, index)
            while next_step < len(steps) and steps[next_step].event_index <= index:
                self._start_top_level(steps[next_step], index)
                next_step += 1
            if index == ended_at:
                self.has_ended = True
        self.cursor = len(history)

    def cancel_timer(self, action_number: int, leaf: int) -> None:
        """User code cancelled a timer: it does not delay the end any more. It still fires."""
        timer_id = self._timer_ids.get((action_number, leaf))
        if timer_id is not None:
            self.open.pop(timer_id, None)

    def _react(self, event: HistoryEvent, index: int) -> None:
        match event:
            case OrchestratorStarted():
                self.now = event.timestamp
            case TaskScheduled() | TimerCreated() | SubOrchestrationInstanceCreated() | EventSent():
                self._match(event, index)
            case TaskCompleted():
                self.settle(event.task_scheduled_id, TaskKind.Activity)
            case SubOrchestrationInstanceCompleted():
                self.settle(event.task_scheduled_id, TaskKind.SubOrchestration)
            case TaskFailed():
                self._failed(event, self.settle(event.task_scheduled_id, TaskKind.Activity))
            case SubOrchestrationInstanceFailed():
                self._failed(event, self.settle(event.task_scheduled_id, TaskKind.SubOrchestration))
            case TimerFired():
                self._fired(self.settle(event.timer_id, TaskKind.Timer))
            case EventRaised():
                if self.requests.pop(event.name.casefold(), None) is None:
                    self._note(index, self.events.raised(event.name, event.timestamp, index))
            case _:
                pass

    def _match(self, event: ScheduledEvent, index: int) -> None:
        decision = self.pending.get(event.event_id)
        is_completing = self.has_ended and not self.open and event.event_id == self.next_id
        text = mismatch(event, decision, is_completing=is_completing)
        if text is not None:
            raise NonDeterminism(text, event, index, self._positions.get(event.event_id))
        self.schedule(event.event_id)
        if isinstance(event, EventSent) and isinstance(decision, SendDecision) and not decision.is_signal:
            self._rename_request(decision, request_id_of(event.input))

    def _rename_request(self, decision: SendDecision, actual: str | None) -> None:
        """Another host may have derived the request's id in another way; the history tells which one is in use."""
        if actual is not None and actual != decision.request_id:
            self.requests.pop(decision.request_id, None)
            self.requests[actual.casefold()] = decision.id

    def _failed(self, event: TaskFailed | SubOrchestrationInstanceFailed, task: OpenTask | None) -> None:
        if task is None or task.retry is None:
            return
        details = event.failure_details
        fire_at = task.retry.attempt_failed(self.now, is_retriable=details is None or not details.is_non_retriable)
        if fire_at is not None:
            self.create_timer(fire_at, task.retry)

    def _fired(self, task: OpenTask | None) -> None:
        if task is not None and task.retry is not None and task.retry.timer_fired():
            self.attempt(task.retry)

    def _start_top_level(self, step: Step, index: int) -> None:
        """Start an action's leaves, depth first."""
        first_id = self.next_id
        number = self.actions_started
        self.actions_started += 1
        for leaf, child in enumerate(_leaves(step.action)):
            timer_id = self._start(child, index)
            if timer_id is not None:
                self._timer_ids[number, leaf] = timer_id
        if step.position is not None:
            self._positions.update(dict.fromkeys(range(first_id, self.next_id), step.position))

    def _start(self, action: Action, index: int) -> int | None:
        """Start one action; for a timer its id."""
        match action:
            case CallActivity() | CallSubOrchestrator():
                if action.retry is None:
                    self.call(action, None)
                else:
                    self.attempt(RetryLoop(action, action.retry, self.now))
            case CallHttp():
                self.open_activity(action, None)
            case CreateTimer():
                return self.create_timer(action.fire_at, None, is_canceled=action.is_canceled)
            case WaitForExternalEvent():
                self._note(index, self.events.waits_for(action.name, self.now))
            case CallEntity():
                self.requests[self.send(action, is_signal=False, due=None)] = self.next_id - 1
            case SignalEntity():
                self.send(action, is_signal=True, due=action.due)
            case ContinueAsNewAction():
                self.continue_as_new = action
            case UnknownAction():
                text = f"Received an unexpected action type from the out-of-proc function: '${action.kind}'."
                raise OrchestrationFault(text)
            case _:
                raise TypeError(f"not an action: {action!r}")
        return None

    def _note(self, index: int, findings: Iterable[Finding]) -> None:
        self._findings.extend((index, finding) for finding in findings)


def _leaves(action: Action) -> Iterator[Action]:
    if isinstance(action, WhenAll | WhenAny):
        for child in action.children:
            yield from _leaves(child)
    else:
        yield action
