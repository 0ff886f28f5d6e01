"""Gives numbers to decisions and keeps what is open: one counter a generation.

Source: spec/durable-protocol.md, section 3.4.
"""

from enum import Enum

from durable_host.durable.engine.decisions import (
    Decision,
    SendDecision,
    SubOrchestrationDecision,
    TaskDecision,
    TimerDecision,
)
from durable_host.durable.engine.entity_messages import SendLabels, deterministic_guid, request_event_name
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.retries import RetryLoop
from durable_host.durable.model.actions import CallActivity, CallEntity, CallHttp, CallSubOrchestrator, SignalEntity


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


class Numbering:
    """Decisions and open tasks of one execution. Times are ticks.

    `pending` are the decisions not found in the history, by number; `fresh` lists the numbers given since
    `take_fresh`. `open` are the tasks that have not finished; `outstanding_activities` counts the activities that
    were scheduled and have not answered. `requests` maps ids of entity calls to their numbers.
    """

    def __init__(self, instance_id: str, execution_id: str, *, max_actions: int, reorder_window: int) -> None:
        self.execution_id = execution_id
        self.now = 0
        self.next_id = 0
        self.open: dict[int, OpenTask] = {}
        self.pending: dict[int, Decision] = {}
        self.fresh: list[int] = []
        self.outstanding_activities = 0
        self.requests: dict[str, int] = {}
        self._instance_id = instance_id
        self._max_actions = max_actions
        self._reorder_window = reorder_window
        self._labels = SendLabels()
        self._guid_counter = 0

    def take_fresh(self) -> list[int]:
        """Numbers given since the last call, in order; some may have been matched with history since."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def is_activity(self, number: int) -> bool:
        """True when the pending decision `number` is an activity."""
        return isinstance(self.pending.get(number), TaskDecision)

    def schedule(self, number: int) -> Decision | None:
        """The decision `number` becomes a history event now; None when the history holds it already."""
        decision = self.pending.pop(number, None)
        if isinstance(decision, TaskDecision):
            self.outstanding_activities += 1
        return decision

    def settle(self, task_id: int, kind: TaskKind) -> OpenTask | None:
        """A task has finished; None when no such task is open."""
        task = self.open.get(task_id)
        if task is None or task.kind is not kind:
            return None
        del self.open[task_id]
        if self.pending.pop(task_id, None) is None and kind is TaskKind.Activity:
            self.outstanding_activities -= 1
        return task

    def attempt(self, loop: RetryLoop) -> None:
        """The next attempt of a retried call."""
        self.call(loop.action, loop)

    def call(self, action: CallActivity | CallSubOrchestrator, loop: RetryLoop | None) -> None:
        """One attempt of a call."""
        if isinstance(action, CallActivity):
            self.open_activity(action, loop)
            return
        number = self._take_number()
        child = action.instance_id or f"{self.execution_id}:{number}"
        self.pending[number] = SubOrchestrationDecision(number, self.now, action, child)
        self.open[number] = OpenTask(TaskKind.SubOrchestration, loop)

    def open_activity(self, action: CallActivity | CallHttp, loop: RetryLoop | None) -> None:
        number = self._take_number()
        self.pending[number] = TaskDecision(number, self.now, action)
        self.open[number] = OpenTask(TaskKind.Activity, loop)

    def create_timer(self, fire_at: int, loop: RetryLoop | None, *, is_canceled: bool = False) -> int:
        number = self._take_number()
        self.pending[number] = TimerDecision(number, self.now, fire_at)
        if not is_canceled:
            self.open[number] = OpenTask(TaskKind.Timer, loop, fire_at)
        return number

    def send(self, action: CallEntity | SignalEntity, *, is_signal: bool, due: int | None) -> str:
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
