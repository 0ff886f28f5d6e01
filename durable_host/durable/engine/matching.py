"""What an execution has called, and which result answers which call.

A number alone tells too little: an episode whose commit was lost is run again and may decide otherwise under the same
numbers, and results of its first run are still on their way. So a result has to fit its call in everything that it
carries: kind, execution, and the due time of a timer, the request of an activity, the instance of a child or entity.
Each call is answered once.

Source: docs/protocol/task-hub-storage-additions.md#result-matching
"""

from collections.abc import Container, Hashable
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.durable.model import identity
from durable_host.durable.model.events import (
    EventRaised,
    EventSent,
    HistoryEvent,
    OrchestrationInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.messages import TaskMessage

_Numbered = TaskScheduled | TimerCreated | SubOrchestrationInstanceCreated | EventSent
_KINDS: dict[type[HistoryEvent], str] = {
    TaskScheduled: "an activity",
    TimerCreated: "a timer",
    SubOrchestrationInstanceCreated: "a sub-orchestration",
}
_ANSWERED: dict[type[HistoryEvent], type[HistoryEvent]] = {
    TaskCompleted: TaskScheduled,
    TaskFailed: TaskScheduled,
    TimerFired: TimerCreated,
    SubOrchestrationInstanceCompleted: SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed: SubOrchestrationInstanceCreated,
}


class Misfit(msgspec.Struct, frozen=True):
    """Why a result answers nothing. `what` it would have completed; `is_copy` when that was answered before."""

    what: str
    why: str
    is_copy: bool = False


class _Call:
    """A call of the history. `request` is the identity of its request, where this process has sent it."""

    __slots__ = ("episode", "event", "is_answered", "request")

    def __init__(self, event: _Numbered, episode: int) -> None:
        self.event = event
        self.episode = episode
        self.request: str | None = None
        self.is_answered = False


class _EntityCall:
    """A request to an entity that is answered. `entities` are those of which one answers: of a lock, its whole set."""

    __slots__ = ("entities", "is_answered")

    def __init__(self, entities: frozenset[str]) -> None:
        self.entities = entities
        self.is_answered = False


class ExecutionCalls:
    """The calls of one execution; owned by its OrchestrationState. `requests` are those of entities, by lower-case ID.

    A call that a rewind has taken out of the history is none; one whose failure was taken out is open again.
    """

    __slots__ = ("_numbered", "requests")

    def __init__(self) -> None:
        self.requests: dict[str, _EntityCall] = {}
        self._numbered: dict[Hashable, _Call] = {}

    def append(self, event: HistoryEvent, episode: int) -> None:
        """Note an event that enters the history in this episode."""
        match event:
            case TaskScheduled() | TimerCreated() | SubOrchestrationInstanceCreated():
                self._numbered[event.event_id] = _Call(event, episode)
            case EventSent():
                self._numbered[event.event_id] = _Call(event, episode)
                self._sent(event)
            case EventRaised():
                answered = self.requests.get(event.name.casefold())
                if answered is not None:
                    answered.is_answered = True
            case _:
                call = self._numbered.get(answered_id(event))
                if call is not None and _ANSWERED[type(event)] is type(call.event):
                    call.is_answered = True

    def sent(self, number: int, request: str) -> None:
        """The activity `number` was called by the request with this identity."""
        self._numbered[number].request = request

    @property
    def open_activities(self) -> int:
        """How many activities have not answered."""
        return sum(not one.is_answered for one in self._numbered.values() if isinstance(one.event, TaskScheduled))

    def latest(self, number: int) -> HistoryEvent | None:
        """The event of the last call with this number: a retry by 2.x code has the number of the first attempt."""
        call = self._numbered.get(number)
        return None if call is None else call.event

    def is_open(self, number: int) -> bool:
        """Whether an answer to the call with this number is still to come."""
        call = self._numbered.get(number)
        return call is not None and not call.is_answered and type(call.event) in _KINDS

    def knows(self, message: TaskMessage) -> bool:
        """Whether there is a call with the number, or the request, that a result is about."""
        key = answer_key(message)
        return key in self._numbered or key in self.requests

    def misfit(
        self, message: TaskMessage, own: OrchestrationInstance, taken: Container[Hashable] = ()
    ) -> Misfit | None:
        """Why a message that is about a known call, if about any, must not enter the history of the execution `own`.

        `taken` are the keys of results that enter together with it.
        """
        event, key = message.event, answer_key(message)
        if isinstance(event, EventRaised):
            call = self.requests.get(event.name.casefold())
            return None if call is None else _entity_misfit(call, message, is_taken=key in taken)
        call = self._numbered.get(key)
        if call is None:
            return None
        what, why = _named(call.event), _why_not(call, message, own)
        if why is not None:
            return Misfit(what, why)
        return _copy(what) if call.is_answered or key in taken else None

    def _sent(self, event: EventSent) -> None:
        if not event.instance_id.startswith("@") or not event.name.startswith("op"):
            return
        try:
            request = _request.decode(event.input or "")
        except msgspec.MsgspecError:
            return
        if request.id is not None and not request.signal:
            locks = (f"@{one.name}@{one.key}".casefold() for one in request.lockset or ())
            self.requests[request.id.casefold()] = _EntityCall(frozenset((event.instance_id.casefold(), *locks)))


class _EntityId(msgspec.Struct):
    name: str
    key: str


class _EntityRequest(msgspec.Struct):
    id: str | None = None
    signal: Any = None
    lockset: list[_EntityId] | None = None


_request = msgspec.json.Decoder(_EntityRequest)


def answered_id(event: HistoryEvent) -> int | None:
    """The number of the decision that a completion answers, None for other events."""
    match event:
        case TaskCompleted() | TaskFailed() | SubOrchestrationInstanceCompleted() | SubOrchestrationInstanceFailed():
            return event.task_scheduled_id
        case TimerFired():
            return event.timer_id
        case _:
            return None


def answer_key(message: TaskMessage) -> Hashable:
    """What a result is about: the number of a call, or the ID of a request; None for what is no result."""
    event = message.event
    if isinstance(event, EventRaised) and is_from_entity(message):
        return event.name.casefold()
    return answered_id(event)


NO_ENTITY = OrchestrationInstance("@")
"""The sender of a refusal to call an entity whose ID no message can hold."""


def is_from_entity(message: TaskMessage) -> bool:
    """Whether an entity has sent the message to an orchestration."""
    return message.sender.instance_id.startswith("@") and not message.target.instance_id.startswith("@")


def _why_not(call: _Call, message: TaskMessage, own: OrchestrationInstance) -> str | None:
    event, called = message.event, call.event
    kind = _ANSWERED[type(event)]
    if kind is not type(called):
        return f"it is the result of {_KINDS[kind]}"
    if not message.target.execution_id:
        return "it names no execution"
    if isinstance(event, TimerFired) and isinstance(called, TimerCreated) and event.fire_at != called.fire_at:
        return f"it is of a timer due at {timestamp.to_text(event.fire_at)}"
    # A call of a child whose ID no message can hold is refused by the instance itself.
    senders = (called.instance_id, own.instance_id) if isinstance(called, SubOrchestrationInstanceCreated) else None
    if senders is not None and message.sender.instance_id not in senders:
        return f"it comes from the instance '{message.sender.instance_id}'"
    return _why_not_requested(call, called, message, own) if isinstance(called, TaskScheduled) else None


def _why_not_requested(
    call: _Call, called: TaskScheduled, message: TaskMessage, own: OrchestrationInstance
) -> str | None:
    """Results of our workers carry the identity of their request, if it was ours; all others number and episode."""
    if message.id is not None and identity.is_derived(message.id):
        if call.request is not None:
            is_answer = message.id == identity.answer_to(call.request)
        else:
            content = (called.name,)
            request = identity.decided(own, call.episode, TaskScheduled.event_name, called.event_id, content)
            is_answer = identity.is_same_decision(message.id, identity.answer_to(request))
        return None if is_answer else "it answers a call that was decided under this number and never committed"
    # The official backend counts the episodes of the generation before, when one ends and the next one calls.
    if call.episode == 1 or message.episode is None or message.episode < 1 or message.episode == call.episode:
        return None
    return f"it answers a call of episode {message.episode}, and this one is of episode {call.episode}"


def _entity_misfit(call: _EntityCall, message: TaskMessage, *, is_taken: bool) -> Misfit | None:
    what = f"the call of {' or '.join(repr(one) for one in sorted(call.entities))}"
    if message.sender != NO_ENTITY and message.sender.instance_id.casefold() not in call.entities:
        sender = message.sender.instance_id
        return Misfit(what, f"it comes from the instance '{sender}'" if sender else "it comes from a client")
    return _copy(what) if call.is_answered or is_taken else None


def _copy(what: str) -> Misfit:
    return Misfit(what, "that was answered before", is_copy=True)


def _named(event: _Numbered) -> str:
    match event:
        case TaskScheduled():
            return f"the activity '{event.name}' (number {event.event_id})"
        case TimerCreated():
            return f"the timer due at {timestamp.to_text(event.fire_at)} (number {event.event_id})"
        case SubOrchestrationInstanceCreated():
            return f"the sub-orchestration '{event.instance_id}' (number {event.event_id})"
        case EventSent():
            return f"the message to '{event.instance_id}' (number {event.event_id})"
