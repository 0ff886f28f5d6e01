"""A small world for the engine: real SDK code in this process, and messages delivered by hand or automatically.

`World` holds instances (state, committed history, row) and the messages on their way. `mode` says how the code is
run: `live` keeps states and sessions, `cold` reloads both before every episode, `one_shot` also forbids driving the
SDK, so that its public `handle` replays everything.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import azure.durable_functions as df

from durable_host import timestamp
from durable_host.durable.engine.activity_results import activity_result
from durable_host.durable.engine.episode import EpisodeOutcome, finish_episode, start_episode
from durable_host.durable.engine.inputs import activity_trigger_text
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.triage import classify
from durable_host.durable.model.actions import Action, WhenAll, WhenAny
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.durable.user_code import OrchestratorAnswer, OrchestratorTurn
from durable_host.invocation.errors import FunctionFailed
from durable_host.worker.orchestrations_v1 import OrchestrationSessions

START = timestamp.parse("2026-01-01T00:00:00Z")
SECOND = timestamp.TICKS_PER_SECOND
DAY = 86_400 * SECOND


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def run_now(work: Coroutine[Any, Any, Any]) -> Any:
    """Result of a coroutine that never really waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the coroutine waits")


class InProcessCalls:
    """The worker's part, in this process; frames go through JSON as between processes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions = OrchestrationSessions()
        self.requests: list[dict[str, Any]] = []

    async def orchestrate(self, function, payload, *, key, instance_id):
        request = json.loads(json.dumps(payload))
        self.requests.append(request)
        return json.loads(json.dumps(self.sessions.handle(request, self.world.handles[function])))

    def forget_session(self, key):
        self.sessions.forget(key)

    async def run_activity(self, function, trigger, *, instance_id, task_id, trace=None):
        try:
            return json.dumps(self.world.activities[function](json.loads(trigger)))
        except Exception as error:
            raise FunctionFailed(type(error).__name__, str(error), "trace") from error

    async def run_entity(self, function, trigger, *, instance_id, trace=None):
        return self.world.entities[function](trigger)


class World:
    def __init__(
        self,
        orchestrators: dict[str, Callable[..., Any]] | Sequence[Callable[..., Any]],
        activities: dict[str, Callable[[Any], Any]] | None = None,
        entities: dict[str, Any] | None = None,
        *,
        mode: str = "live",
        options: EngineOptions | None = None,
        handles: dict[str, Callable[..., str]] | None = None,
    ) -> None:
        if not isinstance(orchestrators, dict):
            orchestrators = {each.__name__: each for each in orchestrators}
        self.mode = mode
        self.options = options or EngineOptions()
        self.handles = {name: df.Orchestrator.create(code) for name, code in orchestrators.items()} | (handles or {})
        if mode == "one_shot":
            self.handles = {name: (lambda body, h=handle: h(body)) for name, handle in self.handles.items()}
        self.activities = activities if activities is not None else _AnyActivity()
        self.entities = {name: df.Entity.create(code) for name, code in (entities or {}).items()}
        self.calls = InProcessCalls(self)
        self.code = V1UserCode(
            self.calls,  # pyright: ignore[reportArgumentType]
            orchestrators={name: name for name in self.handles},
            activities={name: name for name in self.activities},
            entities={name: name for name in self.entities},
        )
        if isinstance(self.activities, _AnyActivity):
            self.code.has_activity = lambda name: True
        self.now = START
        self.ids = itertools.count(1)
        self.states: dict[str, OrchestrationState] = {}
        self.committed: dict[str, list[HistoryEvent]] = {}
        self.custom_status: dict[str, str | None] = {}
        self.messages: list[TaskMessage] = []
        self.sent: list[TaskMessage] = []
        self.answers: list[OrchestratorAnswer] = []
        self.outcomes: list[EpisodeOutcome] = []
        self.diagnostics: list[Any] = []

    # By hand

    def start(self, name: str, input: Any = None, instance_id: str = "inst1", **fields: Any) -> TaskMessage:
        """The start message; `input` is encoded as the SDK's client does."""
        instance = OrchestrationInstance(instance_id, self.new_id())
        event = ExecutionStarted(
            timestamp=self.now,
            orchestration_instance=instance,
            name=name,
            version=fields.pop("version", ""),
            input=None if input is None else json.dumps(json.dumps(input)),
            **fields,
        )
        return TaskMessage(event=event, target=instance)

    def new_id(self) -> str:
        return f"{next(self.ids):032x}"

    def deliver(self, *messages: TaskMessage | HistoryEvent, instance_id: str = "inst1", time: float | None = None):
        """One episode with these messages, as the runtime would run it. Returns the outcome."""
        if time is not None:
            self.now = at(time)
        state = self.state(instance_id)
        wrapped = [
            each
            if isinstance(each, TaskMessage)
            else TaskMessage(event=each, target=OrchestrationInstance(instance_id))
            for each in messages
        ]
        started = start_episode(state, wrapped, now=self.now, options=self.options)
        if started.rejected is not None:
            raise RuntimeError(started.rejected)
        outcome = self._finish(state, started.turn)
        self._commit(state, outcome)
        return outcome

    def state(self, instance_id: str = "inst1") -> OrchestrationState:
        if self.mode != "live":
            state = self.states.pop(instance_id, None)
            if state is not None and state.execution_id is not None:
                self.code.forget(instance_id, state.execution_id)
        if instance_id not in self.states:
            self.states[instance_id] = OrchestrationState.from_history(
                instance_id, self.committed.get(instance_id, []), self.custom_status.get(instance_id)
            )
        return self.states[instance_id]

    def drop(self, instance_id: str = "inst1") -> None:
        """Drop state and live session, as a host does after a conflict or a restart."""
        state = self.states.pop(instance_id, None)
        if state is not None and state.execution_id is not None:
            self.code.forget(instance_id, state.execution_id)

    def _finish(self, state: OrchestrationState, turn: OrchestratorTurn | None) -> EpisodeOutcome:
        while True:
            answer = None
            if turn is not None:
                answer = run_now(self.code.run_orchestrator(turn))
                self.answers.append(answer)
            outcome = finish_episode(
                state, answer, now=self.now, new_id=self.new_id, code=self.code, options=self.options
            )
            turn = outcome.next_turn
            if turn is None:
                return outcome

    def _commit(self, state: OrchestrationState, outcome: EpisodeOutcome) -> None:
        history = self.committed.setdefault(state.instance_id, [])
        del history[outcome.first_ordinal :]
        assert len(history) == outcome.first_ordinal
        history.extend(outcome.new_events)
        if outcome.update.custom_status is not None:
            self.custom_status[state.instance_id] = outcome.update.custom_status
        self.messages.extend(outcome.outbound)
        self.sent.extend(outcome.outbound)
        self.outcomes.append(outcome)
        about_replay = self.mode == "one_shot"
        self.diagnostics += [d for d in outcome.diagnostics if not (about_replay and "kept alive" in d.text)]

    # By itself

    def play(self, *, seed: int | None = None, limit: int = 5_000, raise_events: Sequence[EventRaised] = ()) -> None:
        """Deliver messages until nothing is left: in order, or in an order and batches drawn from `seed`.

        Time jumps to the next timer when nothing else can be delivered.
        """
        chance = random.Random(seed)
        raised = [TaskMessage(event=event, target=OrchestrationInstance("inst1")) for event in raise_events]
        for _ in range(limit):
            if raised and "inst1" in self.committed and (seed is None or chance.random() < 0.3 or not self.messages):
                self.messages.append(raised.pop(0))
            ready = [m for m in self.messages if m.due is None or m.due <= self.now]
            if not ready:
                if not self.messages:
                    if raised:
                        continue
                    return
                self.now = min(m.due for m in self.messages if m.due is not None)
                continue
            first = ready[0] if seed is None else chance.choice(ready)
            self._remove(first)
            if first.is_activity:
                self.now += 0 if seed is None else chance.randrange(SECOND)
                self.messages.append(self.run_activity(first))
                continue
            batch = [first]
            if seed is not None:
                batch += [m for m in ready if self._same(m, first) and m is not first and chance.random() < 0.5]
                for each in batch[1:]:
                    self._remove(each)
            self._receive(batch)
        raise AssertionError("the world does not come to rest")

    def run_activity(self, request: TaskMessage) -> TaskMessage:
        event = request.event
        trigger = activity_trigger_text(event.input)
        outcome = run_now(
            self.code.run_activity(event.name, trigger, instance_id=request.target.instance_id, task_id=event.event_id)
        )
        return activity_result(request, outcome, now=self.now)

    def _same(self, message: TaskMessage, other: TaskMessage) -> bool:
        return not message.is_activity and message.target.instance_id == other.target.instance_id

    def _remove(self, message: TaskMessage) -> None:
        self.messages = [each for each in self.messages if each is not message]

    def _receive(self, batch: list[TaskMessage]) -> None:
        instance_id = batch[0].target.instance_id
        state = self.state(instance_id)
        starts = any(isinstance(each.event, ExecutionStarted) for each in batch)
        ready = [each for each in batch if classify(state, _Received(each), starts=starts) == "process"]
        if ready:
            self.deliver(*ready, instance_id=instance_id)

    # Looking

    def history(self, instance_id: str = "inst1") -> list[HistoryEvent]:
        return self.committed[instance_id]

    def names(self, instance_id: str = "inst1") -> list[str]:
        return [event.event_name for event in self.history(instance_id)]

    @property
    def result(self) -> Any:
        event = self.history()[-2]
        assert event.event_name == "ExecutionCompleted", self.names()
        return json.loads(event.result) if event.result is not None else None


class _Received:
    def __init__(self, message: TaskMessage) -> None:
        self.message = message
        self.dequeue_count = 9


class _AnyActivity(dict):
    """Every activity exists (none is run)."""

    def __missing__(self, name):
        return lambda value: value


# Short words for the traces


def completed(number: int, result: Any = None, time: float = 0) -> TaskCompleted:
    text = None if result is None else json.dumps(result)
    return TaskCompleted(timestamp=at(time), task_scheduled_id=number, result=text)


def failed(number: int, text: str = "Activity function 'Flaky' failed: ValueError: boom", details: str | None = "{}"):
    return TaskFailed(timestamp=START, task_scheduled_id=number, reason=text, details=details)


def child_completed(number: int, result: Any = None) -> SubOrchestrationInstanceCompleted:
    return SubOrchestrationInstanceCompleted(timestamp=START, task_scheduled_id=number, result=json.dumps(result))


def child_failed(number: int, reason: str | None = "boom") -> SubOrchestrationInstanceFailed:
    return SubOrchestrationInstanceFailed(timestamp=START, task_scheduled_id=number, reason=reason)


def fired(number: int) -> TimerFired:
    return TimerFired(timestamp=START, timer_id=number, fire_at=START)


def raised(name: str, data: Any = None, text: str | None = None) -> EventRaised:
    return EventRaised(timestamp=START, name=name, input=text if text is not None else json.dumps(data))


def decided(outcome: EpisodeOutcome) -> list[str]:
    """The decisions of an episode in short form: `#0 A`, `#1 timer 30`, `#2 child <id>`, `#3 sent @c@k`, `end`."""
    return [text for event in outcome.new_events if (text := _short(event)) is not None]


def _short(event: HistoryEvent) -> str | None:
    match event.event_name:
        case "TaskScheduled":
            return f"#{event.event_id} {event.name}"
        case "TimerCreated":
            return f"#{event.event_id} timer {(event.fire_at - START) / SECOND:g}"
        case "SubOrchestrationInstanceCreated":
            return f"#{event.event_id} child {event.instance_id}"
        case "EventSent":
            return f"#{event.event_id} sent {event.instance_id}"
        case "ExecutionCompleted":
            return f"#{event.event_id} {event.orchestration_status.name}"
    return None


def shapes(actions: Sequence[Action]) -> list[str]:
    """Action names, compound ones with their children: `WhenAny[CreateTimer, WaitForExternalEvent]`."""
    return [_shape(action) for action in actions]


def _shape(action: Action) -> str:
    if isinstance(action, WhenAll | WhenAny):
        return f"{type(action).__name__}[{', '.join(shapes(action.children))}]"
    return type(action).__name__
