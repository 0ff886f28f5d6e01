"""Walks the history event by event beside the user code's steps and numbers what was decided.

For each event first the engine's own retry loops react, then the actions that user code produced during that event
are started in order (children depth first, left to right); one counter a generation numbers both. So the numbers
equal the SDK's by construction, however messages were batched. Source: spec/durable-protocol.md, sections 3.4, 3.5
and 3.10.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from durable_host.durable.engine.decisions import (
    Decision,
    SendDecision,
    SubOrchestrationDecision,
    TaskDecision,
    TimerDecision,
)
from durable_host.durable.engine.entity_messages import (
    SendLabels,
    deterministic_guid,
    request_event_name,
    request_id_of,
)
from durable_host.durable.engine.external_events import ExternalEvents, Finding
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.nondeterminism import ScheduledEvent, mismatch
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


class TaskKind(Enum):
    Activity = "activity"
    SubOrchestration = "sub-orchestration"
    Timer = "timer"


class OpenTask:
    """A started task that has not finished. `fire_at` is for timers; `retry` is the loop that owns the task."""

    __slots__ = ("fire_at", "kind", "retry")

    def __init__(self, kind: TaskKind, retry: RetryLoop | None = None, fire_at: int = 0) -> None:
        self.kind = kind
        self.retry = retry
        self.fire_at = fire_at


class NonDeterminism(Exception):
    """A scheduled event of the history has no matching decision in the replay."""

    def __init__(self, text: str, event: ScheduledEvent, history_index: int) -> None:
        super().__init__(text)
        self.event = event
        self.history_index = history_index


class Walker:
    """Where one execution stands; owned by its OrchestrationState.

    `cursor` is the first event not walked yet, `pending` the decisions not found in the history, by number; `fresh`
    lists the numbers given since `take_fresh`. `outstanding_activities` counts those scheduled and not answered.
    """

    __slots__ = (
        "_guid_counter",
        "_instance_id",
        "_labels",
        "_max_actions",
        "_reorder_window",
        "_requests",
        "_timer_ids",
        "actions_started",
        "continue_as_new",
        "cursor",
        "events",
        "execution_id",
        "findings",
        "fresh",
        "has_ended",
        "next_id",
        "now",
        "open",
        "outstanding_activities",
        "pending",
    )

    def __init__(self, instance_id: str, execution_id: str, *, max_actions: int, reorder_window: int) -> None:
        self._instance_id = instance_id
        self.execution_id = execution_id
        self._max_actions = max_actions
        self._reorder_window = reorder_window
        self.cursor = 0
        self.now = 0
        self.next_id = 0
        self.actions_started = 0
        self.has_ended = False
        self.continue_as_new: ContinueAsNewAction | None = None
        self.open: dict[int, OpenTask] = {}
        self.pending: dict[int, Decision] = {}
        self.fresh: list[int] = []
        self.outstanding_activities = 0
        self.events = ExternalEvents()
        self.findings: list[tuple[int, Finding]] = []
        self._requests: dict[str, int] = {}
        self._timer_ids: dict[tuple[int, int], int] = {}
        self._labels = SendLabels()
        self._guid_counter = 0

    def take_fresh(self) -> list[int]:
        """Numbers given since the last call, in order; some may have been matched with history since."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def take_findings(self) -> list[tuple[int, Finding]]:
        """What was noticed since the last call, each with the index of the event during which it was."""
        findings, self.findings = self.findings, []
        return findings

    def is_activity(self, number: int) -> bool:
        """True when the pending decision `number` is an activity."""
        return isinstance(self.pending.get(number), TaskDecision)

    def schedule(self, number: int) -> Decision | None:
        """The decision `number` becomes a history event now; None when the history holds it already."""
        decision = self.pending.pop(number, None)
        if isinstance(decision, TaskDecision):
            self.outstanding_activities += 1
        return decision

    def walk(self, history: Sequence[HistoryEvent], steps: Sequence[Step], *, ended_at: int | None = None) -> None:
        """Walk the events from `cursor` on with the steps made during them. Raises NonDeterminism."""
        next_step = 0
        for index in range(self.cursor, len(history)):
            event = history[index]
            self._react(event, index)
            while next_step < len(steps) and steps[next_step].event_index <= index:
                self._start_top_level(steps[next_step].action, index)
                next_step += 1
            if index == ended_at:
                self.has_ended = True
        self.cursor = len(history)

    def cancel_timer(self, action_number: int, leaf: int) -> int | None:
        """User code cancelled a timer: it is not waited for any more. Its id, or None when it was not open."""
        timer_id = self._timer_ids.get((action_number, leaf))
        if timer_id is None or self.open.pop(timer_id, None) is None:
            return None
        return timer_id

    def _react(self, event: HistoryEvent, index: int) -> None:
        match event:
            case OrchestratorStarted():
                self.now = event.timestamp
            case TaskScheduled() | TimerCreated() | SubOrchestrationInstanceCreated() | EventSent():
                self._match(event, index)
            case TaskCompleted():
                self._settle(event.task_scheduled_id, TaskKind.Activity)
            case SubOrchestrationInstanceCompleted():
                self._settle(event.task_scheduled_id, TaskKind.SubOrchestration)
            case TaskFailed():
                self._failed(event, self._settle(event.task_scheduled_id, TaskKind.Activity))
            case SubOrchestrationInstanceFailed():
                self._failed(event, self._settle(event.task_scheduled_id, TaskKind.SubOrchestration))
            case TimerFired():
                self._fired(self._settle(event.timer_id, TaskKind.Timer))
            case EventRaised():
                if self._requests.pop(event.name.casefold(), None) is None:
                    self._note(index, self.events.raised(event.name, event.timestamp, index))
            case _:
                pass

    def _match(self, event: ScheduledEvent, index: int) -> None:
        decision = self.pending.get(event.event_id)
        is_completing = self.has_ended and not self.open and event.event_id == self.next_id
        text = mismatch(event, decision, is_completing=is_completing)
        if text is not None:
            raise NonDeterminism(text, event, index)
        self.schedule(event.event_id)
        if isinstance(event, EventSent) and isinstance(decision, SendDecision) and not decision.is_signal:
            self._rename_request(decision, request_id_of(event.input))

    def _rename_request(self, decision: SendDecision, actual: str | None) -> None:
        """Another host may have derived the request's id in another way; the history tells which one is in use."""
        if actual is not None and actual != decision.request_id:
            self._requests.pop(decision.request_id, None)
            self._requests[actual.casefold()] = decision.id

    def _settle(self, task_id: int, kind: TaskKind) -> OpenTask | None:
        task = self.open.get(task_id)
        if task is None or task.kind is not kind:
            return None
        del self.open[task_id]
        if self.pending.pop(task_id, None) is None and kind is TaskKind.Activity:
            self.outstanding_activities -= 1
        return task

    def _failed(self, event: TaskFailed | SubOrchestrationInstanceFailed, task: OpenTask | None) -> None:
        if task is None or task.retry is None:
            return
        details = event.failure_details
        fire_at = task.retry.attempt_failed(self.now, is_retriable=details is None or not details.is_non_retriable)
        if fire_at is not None:
            self._create_timer(fire_at, task.retry)

    def _fired(self, task: OpenTask | None) -> None:
        if task is not None and task.retry is not None and task.retry.timer_fired():
            self._attempt(task.retry)

    def _start_top_level(self, action: Action, index: int) -> None:
        """Start an action's leaves, depth first."""
        number = self.actions_started
        self.actions_started += 1
        for leaf, child in enumerate(_leaves(action)):
            timer_id = self._start(child, index)
            if timer_id is not None:
                self._timer_ids[number, leaf] = timer_id

    def _start(self, action: Action, index: int) -> int | None:
        """Start one action; for a timer its id."""
        match action:
            case CallActivity() | CallSubOrchestrator():
                if action.retry is None:
                    self._call(action, None)
                else:
                    self._attempt(RetryLoop(action, action.retry, self.now))
            case CallHttp():
                self._open_activity(action, None)
            case CreateTimer():
                return self._create_timer(action.fire_at, None, is_canceled=action.is_canceled)
            case WaitForExternalEvent():
                self._note(index, self.events.waits_for(action.name, self.now))
            case CallEntity():
                self._requests[self._send(action, is_signal=False, due=None)] = self.next_id - 1
            case SignalEntity():
                self._send(action, is_signal=True, due=action.due)
            case ContinueAsNewAction():
                self.continue_as_new = action
            case UnknownAction():
                text = f"Received an unexpected action type from the out-of-proc function: '${action.kind}'."
                raise OrchestrationFault(text)
            case _:
                raise TypeError(f"not an action: {action!r}")
        return None

    def _attempt(self, loop: RetryLoop) -> None:
        self._call(loop.action, loop)

    def _call(self, action: CallActivity | CallSubOrchestrator, loop: RetryLoop | None) -> None:
        if isinstance(action, CallActivity):
            self._open_activity(action, loop)
            return
        number = self._take_number()
        child = action.instance_id or f"{self.execution_id}:{number}"
        self.pending[number] = SubOrchestrationDecision(number, self.now, action, child)
        self.open[number] = OpenTask(TaskKind.SubOrchestration, loop)

    def _open_activity(self, action: CallActivity | CallHttp, loop: RetryLoop | None) -> None:
        number = self._take_number()
        self.pending[number] = TaskDecision(number, self.now, action)
        self.open[number] = OpenTask(TaskKind.Activity, loop)

    def _create_timer(self, fire_at: int, loop: RetryLoop | None, *, is_canceled: bool = False) -> int:
        number = self._take_number()
        self.pending[number] = TimerDecision(number, self.now, fire_at)
        if not is_canceled:
            self.open[number] = OpenTask(TaskKind.Timer, loop, fire_at)
        return number

    def _send(self, action: CallEntity | SignalEntity, *, is_signal: bool, due: int | None) -> str:
        number = self._take_number()
        request_id = deterministic_guid(self._instance_id, self.now, self._guid_counter)
        self._guid_counter += 1
        label, predecessor = self._labels.label(action.instance_id, self.now, self._reorder_window)
        self.pending[number] = SendDecision(
            id=number,
            made_at=self.now,
            instance_id=action.instance_id,
            event_name=request_event_name(due, self.now),
            operation=action.operation,
            input=action.input,
            is_signal=is_signal,
            request_id=request_id,
            timestamp=label,
            predecessor=predecessor,
            due=due,
        )
        return request_id

    def _take_number(self) -> int:
        number = self.next_id
        if number >= self._max_actions:
            raise OrchestrationFault(
                f"Maximum amount of orchestration actions ({self._max_actions}) has been reached. This value can be "
                "configured in host.json file as MaxOrchestrationActions."
            )
        self.next_id += 1
        self.fresh.append(number)
        return number

    def _note(self, index: int, findings: Iterable[Finding]) -> None:
        self.findings.extend((index, finding) for finding in findings)


def _leaves(action: Action) -> Iterator[Action]:
    if isinstance(action, WhenAll | WhenAny):
        for child in action.children:
            yield from _leaves(child)
    else:
        yield action
