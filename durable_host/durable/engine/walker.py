"""Walks the history alongside the user code's steps and numbers its decisions.

For each event, the engine's own retry loops react first. Then the actions that user code requested during that event
get their numbers in order (children depth first, left to right); one counter per generation numbers both. So the
numbers equal the SDK's by construction, regardless of how messages were batched. An action begins when the gate before
it is open.

Source: docs/protocol/durable-replay.md#numbering, docs/protocol/durable-replay.md#replay-of-the-answer,
    docs/protocol/durable-replay.md#gates
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from weakref import WeakValueDictionary

from durable_host.durable.engine.decisions import SendDecision
from durable_host.durable.engine.entity_messages import request_id_of
from durable_host.durable.engine.event_gates import EventGates
from durable_host.durable.engine.external_events import EventFinding, ExternalEvents
from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.gates import Gate, GatedAction, Gates
from durable_host.durable.engine.http_polling import HttpPoll, next_poll
from durable_host.durable.engine.long_timers import LongTimer
from durable_host.durable.engine.nondeterminism import ScheduledEvent, mismatch
from durable_host.durable.engine.numbering import Numbering, OpenTask, TaskKind
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.retry_loop import RetryLoop
from durable_host.durable.model.actions import (
    CallActivity,
    CallEntity,
    CallHttp,
    CallSubOrchestrator,
    ContinueAsNewAction,
    CreateTimer,
    LockEntities,
    ReleaseEntities,
    ScheduledTask,
    SignalEntity,
    UnknownAction,
    WaitForExternalEvent,
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
from durable_host.durable.user_code import PYTHON_V1, CodeDialect, Step


class NonDeterminism(Exception):
    """An event of the history has no matching decision in the replay."""

    def __init__(self, text: str, event: ScheduledEvent, history_index: int, position: str | None) -> None:
        super().__init__(text)
        self.event = event
        self.history_index = history_index
        self.position = position


class Walker(Numbering):
    """The position of one execution, owned by its OrchestrationState. `cursor` is the first event that was not walked
    yet.

    `actions_known` counts the top-level actions that the code has requested. `continue_as_new` is set once it has
    requested that.
    """

    def __init__(
        self, instance_id: str, execution_id: str, options: EngineOptions, dialect: CodeDialect = PYTHON_V1
    ) -> None:
        super().__init__(
            instance_id,
            execution_id,
            max_actions=options.max_orchestration_actions,
            reorder_window=options.entity_reorder_window,
        )
        self.cursor = 0
        self.actions_known = 0
        self.has_ended = False
        self.continue_as_new: ContinueAsNewAction | None = None
        self.events = ExternalEvents(dialect)
        self._gates = Gates(are_kept=options.keeps_gates)
        self._event_gates = EventGates()
        self._findings: list[tuple[int, EventFinding]] = []
        self._leaves: WeakValueDictionary[tuple[int, int], Gate] = WeakValueDictionary()
        self._long_timers: dict[int, tuple[Gate, LongTimer]] = {}
        self._locked = LockEntities("", ())
        self._is_locked = False
        self._releases: dict[int, LockEntities] = {}
        self._positions: dict[int, str] = {}
        self._index = 0
        self._episodes: list[tuple[int, int]] = []

    @property
    def closed_gate(self) -> Gate | None:
        """The gate that everything that follows waits for, including the end of the code, or None if nothing waits."""
        return self._gates.closed

    @property
    def retry_timers(self) -> frozenset[int]:
        """The numbers of the open timers that delay the next attempt of a call."""
        return frozenset(n for n, task in self.open.items() if task.kind is TaskKind.Timer and task.retry is not None)

    @property
    def timer_parts(self) -> frozenset[int]:
        """The numbers of the open timers that are parts of longer ones which the host has split."""
        return frozenset(number for number in self._long_timers if number in self.open)

    def held(self, since: int) -> GatedAction | None:
        """Return the first action that waits for a gate and that the code requested at the event `since` or later."""
        return self._gates.held(since)

    def take_findings(self) -> list[tuple[int, EventFinding]]:
        """Return the findings since the last call, each with the index of the event during which it was made."""
        findings, self._findings = self._findings, []
        return findings

    def walk(
        self,
        history: Sequence[HistoryEvent],
        steps: Sequence[Step],
        *,
        position: str | None = None,
        ended_at: int | None = None,
    ) -> None:
        """Walk the events from `cursor` on together with the steps made during them. Raises NonDeterminism.

        `position` is where the code stands after the last step.
        """
        next_step = 0
        for index in range(self.cursor, len(history)):
            event = history[index]
            self._index = index
            self._react(event, index)
            self._begin_ready()
            while next_step < len(steps) and steps[next_step].event_index <= index:
                step = steps[next_step]
                next_step += 1
                self._add_step(step, index, step.position or (position if next_step == len(steps) else None))
            if index == ended_at:
                self.has_ended = True
                self._release_what_is_locked()
        self.cursor = len(history)

    def cancel_timer(self, action_number: int, leaf: int) -> None:
        """Record that user code cancelled a timer: nothing waits for it any longer, but it still fires."""
        gate = self._leaves.get((action_number, leaf))
        if gate is not None and gate.number is not None:
            self.open.pop(gate.number, None)
            if gate.cancel():
                self._event_gates.deliver_again()
            self._begin_ready()

    def _react(self, event: HistoryEvent, index: int) -> None:
        match event:
            case OrchestratorStarted():
                self.now = event.timestamp
                self._episodes.append((index, event.timestamp))
            case TaskScheduled() | TimerCreated() | SubOrchestrationInstanceCreated() | EventSent():
                self._match(event, index)
            case TaskCompleted():
                self._activity_completed(event, self.settle(event.task_scheduled_id, TaskKind.Activity))
            case SubOrchestrationInstanceCompleted():
                self._completed(self.settle(event.task_scheduled_id, TaskKind.SubOrchestration))
            case TaskFailed():
                self._failed(event, self.settle(event.task_scheduled_id, TaskKind.Activity))
            case SubOrchestrationInstanceFailed():
                self._failed(event, self.settle(event.task_scheduled_id, TaskKind.SubOrchestration))
            case TimerFired():
                self._fired(event.timer_id, self.settle(event.timer_id, TaskKind.Timer))
            case EventRaised():
                self._raised(event, index)
            case _:
                pass

    def _match(self, event: ScheduledEvent, index: int) -> None:
        if event.event_id not in self.pending and self._gates.holds(event.event_id):
            self._lift_gates()
        decision = self.pending.get(event.event_id)
        is_over = self.has_ended and not self.open and self._gates.closed is None
        is_completing = is_over and event.event_id == self.next_id
        text = mismatch(event, decision, is_completing=is_completing)
        if text is not None:
            raise NonDeterminism(text, event, index, self._positions.get(event.event_id))
        self.schedule(event.event_id)
        if isinstance(event, EventSent) and isinstance(decision, SendDecision) and not decision.is_signal:
            self._rename_request(decision, request_id_of(event.input))

    def _rename_request(self, decision: SendDecision, actual: str | None) -> None:
        """Use the request ID in the history: another host may have derived it differently."""
        if actual is not None and actual != decision.request_id:
            gate = self.requests.pop(decision.request_id, None)
            if gate is not None:
                self.requests[actual.casefold()] = gate

    def _raised(self, event: EventRaised, index: int) -> None:
        answered = self.requests.pop(event.name.casefold(), None)
        if answered is not None:
            answered.settle(index)
            return
        self._event_gates.raised(event.name, index)
        if not self.has_ended:
            self._note(index, self.events.raised(event.name, event.timestamp))
        elif self.continue_as_new is None:
            self.events.raised_after_the_end(event.name, event.timestamp)

    def _completed(self, task: OpenTask | None) -> None:
        if task is not None:
            task.gate.settle(self._index)

    def _activity_completed(self, event: TaskCompleted, task: OpenTask | None) -> None:
        action = None if task is None else task.poll
        follows = None if action is None else next_poll(action.action, event.result)
        if task is None or follows is None:
            self._completed(task)
            return
        timer, request = self.reserve(), self.reserve()
        poll = HttpPoll(request, *follows)
        self.create_timer(timer, self.now + poll.delay, task.gate, poll=poll)

    def _failed(self, event: TaskFailed | SubOrchestrationInstanceFailed, task: OpenTask | None) -> None:
        if task is None:
            return
        if task.retry is not None:
            details = event.failure_details
            is_retriable = details is None or not details.is_non_retriable
            failure = (event.reason or "", event.details)
            fire_at = task.retry.attempt_failed(self.now, is_retriable=is_retriable, failure=failure)
            if fire_at is not None:
                self.create_timer(self.reserve(), fire_at, task.gate, task.retry)
                return
        task.gate.settle(self._index)

    def _fired(self, number: int, task: OpenTask | None) -> None:
        gate, long_timer = self._long_timers.pop(number, (None, None))
        if gate is not None and long_timer is not None and long_timer.fire_at > self.now:
            self._begin_part(self.reserve(), gate, long_timer)
            return
        if task is None:
            return
        if task.poll is not None:
            self._schedule_http(task.poll.number, task.poll.action, task.gate)
        elif task.retry is not None and task.retry.timer_fired():
            self.attempt(task.retry, task.gate)
        else:
            task.gate.settle(self._index)

    def _begin_part(self, number: int, gate: Gate, timer: LongTimer) -> None:
        """Begin the next part of a timer. A cancelled timer keeps its parts, as in the SDK."""
        gate.number = number
        self._long_timers[number] = (gate, timer)
        self.create_timer(number, timer.next_part(self.now), gate)

    def _add_step(self, step: Step, index: int, position: str | None) -> None:
        """Reserve the numbers of an action that the code requests, and begin it if it may begin."""
        gate = Gate(step.action, position=position)
        first_id, action_number = self.next_id, self.actions_known
        self.actions_known += 1
        for place, leaf in enumerate(gate.leaves()):
            self._reserve_leaf(leaf, (action_number, place), index)
        if step.position is not None:
            self._positions.update(dict.fromkeys(range(first_id, self.next_id), step.position))
        self._gates.add(gate, index)
        self._begin_ready()

    def _reserve_leaf(self, leaf: Gate, place: tuple[int, int], index: int) -> None:
        match leaf.action:
            case WaitForExternalEvent() as wait:
                self._note(index, self.events.waits_for(wait.name, self.now))
            case ContinueAsNewAction() as action:
                self.continue_as_new = action
            case ScheduledTask() as task:
                self._follow_scheduled(leaf, self._leaves.get((task.number, task.leaf)))
            case LockEntities() as action:
                self._locked, self._is_locked = action, True
                leaf.number = self.reserve()
            case ReleaseEntities():
                leaf.number = self._reserve_release()
                self._releases[leaf.number] = self._locked
            case UnknownAction() as action:
                text = f"Received an unexpected action type from the out-of-proc function: '${action.kind}'."
                raise OrchestrationFault(text)
            case _:
                leaf.number = self.reserve()
        self._leaves[place] = leaf

    def _reserve_release(self) -> int:
        """Return the first of the numbers that a release takes."""
        self._is_locked = False
        first = self.next_id
        for _ in self._locked.entities:
            self.reserve()
        return first

    def _release_what_is_locked(self) -> None:
        """Release a lock that the code has kept to its end: nobody else could use the entities again."""
        if self._is_locked:
            self.release(self._reserve_release(), self._locked.entities, self._locked.request_id)

    def _follow_scheduled(self, leaf: Gate, first: Gate | None) -> None:
        """Follow a task that was scheduled before. The SDK registers a wait each time that it is listed."""
        if first is not None and isinstance(first.action, WaitForExternalEvent):
            self.events.listed_again(first.action.name)
        leaf.follow(first)

    def _lift_gates(self) -> None:
        """Continue without gates, because the history is ahead of one: another setting or an earlier version wrote it.

        The extension cannot continue such a history in any case.
        """
        self._gates.are_kept = False
        self._begin_ready()

    def _begin_ready(self) -> None:
        while (gate := self._gates.begin_next(self._index)) is not None:
            for leaf in gate.leaves():
                self._begin(leaf)

    def _begin(self, leaf: Gate) -> None:
        number = -1 if leaf.number is None else leaf.number
        match leaf.action:
            case CallActivity() | CallSubOrchestrator() as action:
                loop = None if action.retry is None else RetryLoop(action, action.retry, self.now)
                self.call(number, action, leaf, loop)
            case CallHttp() as action:
                self._schedule_http(number, action, leaf)
            case CreateTimer() as action:
                if action.is_canceled:
                    leaf.settle(None)
                if action.parts is None:
                    self.create_timer(number, action.fire_at, leaf)
                else:
                    self._begin_part(number, leaf, LongTimer(action.fire_at, action.parts))
            case LockEntities() as action:
                self.requests[action.request_id.casefold()] = leaf
                self.lock(number, action.entities, action.request_id)
            case ReleaseEntities():
                locked = self._releases.pop(number)
                self.release(number, locked.entities, locked.request_id)
            case WaitForExternalEvent() as wait:
                self._event_gates.begin(wait.name, leaf)
            case CallEntity() as action:
                self.requests[self.send(number, action, self._time_at(leaf.began_at))] = leaf
            case SignalEntity() as action:
                self.send(number, action, self._time_at(leaf.began_at))
            case ContinueAsNewAction() | ScheduledTask():
                pass
            case action:
                raise TypeError(f"not an action: {action!r}")

    def _schedule_http(self, number: int, action: CallHttp, gate: Gate) -> None:
        self.open_activity(number, action, gate)
        if action.poll_after is not None:
            self.open[number].poll = HttpPoll(number, action, 0)

    def _time_at(self, index: int) -> int:
        """Return the orchestration's time during the event at `index`."""
        return self._episodes[bisect(self._episodes, index, key=lambda episode: episode[0]) - 1][1]

    def _note(self, index: int, findings: Iterable[EventFinding]) -> None:
        self._findings.extend((index, finding) for finding in findings)
