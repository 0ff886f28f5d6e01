"""A small model of the extension's replay, which compares the actions with the history, gate by gate.

It is written without the engine and shares only the codec of the actions and the IDs of entity requests. It tells
whether an official worker could continue a history.

Source: docs/protocol/durable-replay.md#replay-of-the-answer, docs/protocol/durable-replay.md#gates
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from durable_host.durable.engine.entity_messages import deterministic_guid
from durable_host.durable.model.actions import (
    Action,
    CallActivity,
    CallEntity,
    CallSubOrchestrator,
    ContinueAsNewAction,
    CreateTimer,
    SignalEntity,
    WaitForExternalEvent,
    WhenAll,
    WhenAny,
)
from durable_host.durable.model.events import HistoryEvent

CANNOT_REPLAY = "the current replay execution hasn't (yet?) scheduled this task"
_SETTLING = {
    "TaskCompleted": "task_scheduled_id",
    "TaskFailed": "task_scheduled_id",
    "SubOrchestrationInstanceCompleted": "task_scheduled_id",
    "SubOrchestrationInstanceFailed": "task_scheduled_id",
    "TimerFired": "timer_id",
}


class NotReplayable(Exception):
    pass


class Promise:
    def __init__(self) -> None:
        self.is_settled = False
        self.is_failed = False


class Extension:
    """After `replay`: `pending` are the decisions that it would make now, `is_over` whether it would complete.

    `other_requests` counts the requests to entities whose ids in the history are not those that it would give them.
    """

    def __init__(self, instance_id: str, actions: Sequence[Action]) -> None:
        self.instance_id = instance_id
        self.now = 0
        self.next_id = 0
        self.guids = 0
        self.pending: dict[int, str] = {}
        self.open: dict[int, Promise] = {}
        self.requests: dict[int, str] = {}
        self.other_requests = 0
        self.answers: dict[str, Promise] = {}
        self.waits: dict[str, list[Promise]] = {}
        self.buffer: dict[str, int] = {}
        self.program = self._program(actions)
        self.loops: list[Iterator[Promise]] = []
        self.awaited: list[tuple[Iterator[Promise], Promise]] = []
        self.has_ended = False

    @property
    def is_over(self) -> bool:
        return self.has_ended and not self.open

    def replay(self, history: Sequence[HistoryEvent]) -> None:
        for event in history:
            match event.event_name:
                case "OrchestratorStarted":
                    self.now = event.timestamp
                case "ExecutionStarted":
                    self._run(self.program)
                case "TaskScheduled" | "TimerCreated" | "SubOrchestrationInstanceCreated" | "EventSent":
                    if event.event_id not in self.pending:
                        raise NotReplayable(f"{event.event_name} {event.event_id}: {CANNOT_REPLAY}")
                    kind = self.pending.pop(event.event_id)
                    assert kind == event.event_name, (kind, event)
                    if event.event_id in self.requests:
                        self._sent(self.requests[event.event_id], json.loads(event.input)["id"])
                case "EventRaised":
                    self._raised(event.name.casefold())
                case name if name in _SETTLING:
                    promise = self.open.pop(getattr(event, _SETTLING[name]), None)
                    if promise is not None:
                        self._settle(promise, is_failed=name.endswith("Failed"))

    def _sent(self, own_id: str, sent_id: str) -> None:
        if own_id != sent_id:
            self.other_requests += 1
            if own_id in self.answers:
                self.answers[sent_id] = self.answers.pop(own_id)

    def _raised(self, name: str) -> None:
        if name in self.answers:
            self._settle(self.answers.pop(name))
        elif self.waits.get(name):
            self._settle(self.waits[name].pop())
        else:
            self.buffer[name] = self.buffer.get(name, 0) + 1

    def _settle(self, promise: Promise, *, is_failed: bool = False) -> None:
        promise.is_settled, promise.is_failed = True, is_failed
        for waiting in [one for one in self.awaited if one[1].is_settled]:
            self.awaited.remove(waiting)
            self._run(waiting[0])

    def _run(self, steps: Iterator[Promise]) -> None:
        """Run a coroutine until it waits for a promise that is not settled."""
        for promise in steps:
            if not promise.is_settled:
                self.awaited.append((steps, promise))
                return

    def _program(self, actions: Sequence[Action]) -> Iterator[Promise]:
        for action in actions:
            promise = self._start(action)
            if promise is not None:
                yield promise
        self.has_ended = True

    def _start(self, action: Action) -> Promise | None:
        match action:
            case WhenAll() | WhenAny():
                members = [promise for child in action.children if (promise := self._start(child)) is not None]
                return _All(members) if isinstance(action, WhenAll) else _Any(members)
            case CallActivity() | CallSubOrchestrator() if action.retry is not None:
                whole = Promise()
                self._run(self._retries(action, whole))
                return whole
            case CallActivity():
                return self._open("TaskScheduled")
            case CallSubOrchestrator():
                return self._open("SubOrchestrationInstanceCreated")
            case CreateTimer():
                number, promise = self.next_id, self._open("TimerCreated")
                if action.is_canceled:
                    del self.open[number]
                    promise.is_settled = True
                return promise
            case WaitForExternalEvent():
                return self._wait(action.name.casefold())
            case CallEntity() | SignalEntity():
                guid = deterministic_guid(self.instance_id, self.now, self.guids)
                self.guids += 1
                self.requests[self.next_id] = guid
                self._decide("EventSent")
                if isinstance(action, SignalEntity):
                    return None
                self.answers[guid] = promise = Promise()
                return promise
            case ContinueAsNewAction():
                return None
        raise AssertionError(action)

    def _retries(self, action: CallActivity | CallSubOrchestrator, whole: Promise) -> Iterator[Promise]:
        kind = "TaskScheduled" if isinstance(action, CallActivity) else "SubOrchestrationInstanceCreated"
        for _ in range(max(action.retry.max_attempts, 1)):
            attempt = self._open(kind)
            yield attempt
            if not attempt.is_failed:
                break
            yield self._open("TimerCreated")
        self._settle(whole)

    def _wait(self, name: str) -> Promise:
        promise = Promise()
        if self.buffer.get(name):
            self.buffer[name] -= 1
            promise.is_settled = True
        else:
            self.waits.setdefault(name, []).append(promise)
        return promise

    def _open(self, kind: str) -> Promise:
        number = self._decide(kind)
        self.open[number] = promise = Promise()
        return promise

    def _decide(self, kind: str) -> int:
        number = self.next_id
        self.next_id += 1
        self.pending[number] = kind
        return number


class _All(Promise):
    def __init__(self, members: Sequence[Promise]) -> None:
        self.members = members

    @property
    def is_settled(self) -> bool:
        return all(member.is_settled for member in self.members)


class _Any(_All):
    @property
    def is_settled(self) -> bool:
        return not self.members or any(member.is_settled for member in self.members)
