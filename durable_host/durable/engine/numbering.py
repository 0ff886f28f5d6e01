"""Numbers decisions and tracks open tasks, with one counter per generation.

The code's request for an action reserves a number; the decision is made when the action begins (see `gates`).

Source: docs/protocol/durable-replay.md#numbering
"""

from enum import Enum

from durable_host.durable.engine.decisions import (
    Decision,
    LockDecision,
    SendDecision,
    SubOrchestrationDecision,
    TaskDecision,
    TimerDecision,
)
from durable_host.durable.engine.entity_messages import SendLabels, deterministic_guid, request_event_name
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.gates import Gate
from durable_host.durable.engine.http_polling import HttpPoll
from durable_host.durable.engine.retry_loop import RetryLoop
from durable_host.durable.model.actions import CallActivity, CallEntity, CallHttp, CallSubOrchestrator, SignalEntity


class TaskKind(Enum):
    Activity = "activity"
    SubOrchestration = "sub-orchestration"
    Timer = "timer"


class OpenTask:
    """A started task that has not finished. `gate` waits for it, or for the `retry` loop or the `poll` that owns it.
    `fire_at` is used for timers.
    """

    __slots__ = ("fire_at", "gate", "kind", "poll", "retry")

    def __init__(
        self,
        kind: TaskKind,
        gate: Gate,
        retry: RetryLoop | None = None,
        fire_at: int = 0,
        poll: HttpPoll | None = None,
    ) -> None:
        self.kind = kind
        self.gate = gate
        self.retry = retry
        self.fire_at = fire_at
        self.poll = poll


class Numbering:
    """The decisions and open tasks of one execution. Times are in ticks.

    `pending` are the decisions that are not in the history, by number; `fresh` lists those made since `take_fresh`.
    `open` are the tasks that have not finished; `outstanding_activities` counts scheduled activities without a result.
    `requests` maps IDs of entity calls to the gates that wait for their answers.
    """

    def __init__(self, instance_id: str, execution_id: str, *, max_actions: int, reorder_window: int) -> None:
        self.execution_id = execution_id
        self.now = 0
        self.next_id = 0
        self.open: dict[int, OpenTask] = {}
        self.pending: dict[int, Decision] = {}
        self.fresh: list[int] = []
        self.outstanding_activities = 0
        self.requests: dict[str, Gate] = {}
        self._instance_id = instance_id
        self._max_actions = max_actions
        self._reorder_window = reorder_window
        self._labels = SendLabels()
        self._guid_counter = 0

    def take_fresh(self) -> list[int]:
        """Return the numbers of the decisions made since the last call, in order. History may hold some."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def is_activity(self, number: int) -> bool:
        """True when the pending decision `number` is an activity."""
        return isinstance(self.pending.get(number), TaskDecision)

    def schedule(self, number: int) -> Decision | None:
        """Mark the decision `number` as scheduled and return it, or None if the history already contains it."""
        decision = self.pending.pop(number, None)
        if isinstance(decision, TaskDecision):
            self.outstanding_activities += 1
        return decision

    def settle(self, task_id: int, kind: TaskKind) -> OpenTask | None:
        """Remove and return the task that has finished, or None if no such task is open."""
        task = self.open.get(task_id)
        if task is None or task.kind is not kind:
            return None
        del self.open[task_id]
        if self.pending.pop(task_id, None) is None and kind is TaskKind.Activity:
            self.outstanding_activities -= 1
        return task

    def reserve(self) -> int:
        """Return the next number. Raises OrchestrationFault if there are too many."""
        number = self.next_id
        if number >= self._max_actions:
            raise OrchestrationFault(
                f"Maximum amount of orchestration actions ({self._max_actions}) has been reached. This value can be "
                "configured in host.json file as MaxOrchestrationActions."
            )
        self.next_id += 1
        return number

    def attempt(self, loop: RetryLoop, gate: Gate) -> None:
        """Make the next attempt of a retried call."""
        self.call(self.reserve(), loop.action, gate, loop)

    def call(
        self, number: int, action: CallActivity | CallSubOrchestrator, gate: Gate, loop: RetryLoop | None = None
    ) -> None:
        """Make one attempt of a call."""
        if isinstance(action, CallActivity):
            self.open_activity(number, action, gate, loop)
            return
        child = action.instance_id or f"{self.execution_id}:{number}"
        failure = None if loop is None else loop.given_up
        self._decide(SubOrchestrationDecision(number, self.now, action, child, failure))
        self.open[number] = OpenTask(TaskKind.SubOrchestration, gate, loop)

    def open_activity(
        self, number: int, action: CallActivity | CallHttp, gate: Gate, loop: RetryLoop | None = None
    ) -> None:
        self._decide(TaskDecision(number, self.now, action, None if loop is None else loop.given_up))
        self.open[number] = OpenTask(TaskKind.Activity, gate, loop)

    def create_timer(
        self, number: int, fire_at: int, gate: Gate, loop: RetryLoop | None = None, poll: HttpPoll | None = None
    ) -> None:
        """Create a timer. If its gate is already open, the timer was cancelled: it fires, but is not an open task."""
        self._decide(TimerDecision(number, self.now, fire_at))
        if not gate.is_open:
            self.open[number] = OpenTask(TaskKind.Timer, gate, loop, fire_at, poll)

    def lock(self, number: int, entities: tuple[str, ...], request_id: str) -> None:
        """Request a lock on entities."""
        self._decide(LockDecision(number, self.now, entities, request_id))

    def release(self, first: int, entities: tuple[str, ...], request_id: str) -> None:
        """Release a lock with a message to each of the entities, under consecutive numbers."""
        for place, entity in enumerate(entities):
            self._decide(LockDecision(first + place, self.now, (entity,), request_id, is_release=True))

    def send(self, number: int, action: CallEntity | SignalEntity, began_at: int) -> str:
        """Send a request to an entity and return its ID. `began_at` is the orchestration's time when the extension
        begins it.
        """
        request_id = deterministic_guid(self._instance_id, began_at, self._guid_counter)
        self._guid_counter += 1
        label, predecessor = self._labels.label(action.instance_id, self.now, self._reorder_window)
        due = action.due if isinstance(action, SignalEntity) else None
        decision = SendDecision(
            id=number,
            made_at=self.now,
            instance_id=action.instance_id,
            event_name=request_event_name(due, self.now),
            operation=action.operation,
            input=action.input,
            is_signal=isinstance(action, SignalEntity),
            request_id=request_id,
            timestamp=label,
            predecessor=predecessor,
            due=due,
        )
        self._decide(decision)
        return request_id

    def _decide(self, decision: Decision) -> None:
        self.pending[decision.id] = decision
        self.fresh.append(decision.id)
