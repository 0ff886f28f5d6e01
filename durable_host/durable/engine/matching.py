"""Matches results with the calls of an execution.

The number alone is not enough: after a lost commit an episode runs again and may decide something else under the same
numbers, while results of its first run are still on their way. So a result must fit its call in everything that it
carries: kind, execution, the due time of a timer, the request of an activity, the instance of a child or entity. Each
call is answered once.

Source: docs/protocol/task-hub-storage-additions.md#result-matching
"""

from collections.abc import Container, Hashable
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.durable.engine.renumbering import answered_id, with_call_number
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
    """Why a result is not accepted. `what` names the call; `is_copy` is true when the call was already answered."""

    what: str
    why: str
    is_copy: bool = False


class _Call:
    """A call in the history. `request` is the identity of its request if this process sent it.

    `older` is the number under which 1.x code made the call; its results have that number.
    """

    __slots__ = ("episode", "event", "is_answered", "older", "request")

    def __init__(self, event: _Numbered, episode: int, older: int | None = None) -> None:
        self.event = event
        self.episode = episode
        self.older = older
        self.request: str | None = None
        self.is_answered = False


class _EntityCall:
    """A request to an entity that expects an answer. `entities` are those that may answer: all entities of a lock."""

    __slots__ = ("entities", "is_answered")

    def __init__(self, entities: frozenset[str]) -> None:
        self.entities = entities
        self.is_answered = False


class ExecutionCalls:
    """The calls of one execution, owned by its OrchestrationState. `requests` maps lower-case IDs to requests to
    entities.

    A call that a rewind removed from the history does not count. A call whose failure was removed is open again. Calls
    of 1.x code that 2.x code continues are also known by their old number.
    """

    __slots__ = ("_numbered", "_older", "requests")

    def __init__(self) -> None:
        self.requests: dict[str, _EntityCall] = {}
        self._numbered: dict[Hashable, _Call] = {}
        self._older: dict[Hashable, _Call] = {}

    def append(self, event: HistoryEvent, episode: int, older: int | None = None) -> None:
        """Record an event that enters the history in this episode. `older` is the number of a call under 1.x."""
        match event:
            case TaskScheduled() | TimerCreated() | SubOrchestrationInstanceCreated() | EventSent():
                call = self._numbered[event.event_id] = _Call(event, episode, older)
                if older is not None:
                    self._older[older] = call
                if isinstance(event, EventSent):
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
        """Record the identity of the request that called the activity `number`."""
        self._numbered[number].request = request

    @property
    def open_activities(self) -> int:
        """The number of activities without a result."""
        return sum(not one.is_answered for one in self._numbered.values() if isinstance(one.event, TaskScheduled))

    @property
    def open_children(self) -> list[SubOrchestrationInstanceCreated]:
        """The calls of children without a result, in order. Nobody waits for the result of some of them."""
        open_calls = (one.event for one in self._numbered.values() if not one.is_answered)
        return [event for event in open_calls if isinstance(event, SubOrchestrationInstanceCreated)]

    def latest(self, number: int) -> HistoryEvent | None:
        """Return the event of the last call with this number: a retry by 2.x code reuses the first attempt's number."""
        call = self._numbered.get(number)
        return None if call is None else call.event

    def is_open(self, number: int) -> bool:
        """True when the call with this number has no answer yet."""
        call = self._numbered.get(number)
        return call is not None and not call.is_answered and type(call.event) in _KINDS

    def knows(self, message: TaskMessage) -> bool:
        """True when there is a call with the number or request ID of the result."""
        return self._call_of(message) is not None or answer_key(message) in self.requests

    def key_of(self, message: TaskMessage) -> Hashable:
        """Return the call that a result answers, as `answer_key` does, by the number that the history has for it."""
        call = self._call_of(message)
        return answer_key(message) if call is None else call.event.event_id

    def as_recorded(self, message: TaskMessage) -> HistoryEvent:
        """Return the event of a message as it enters the history: a result gets the number that its call has there."""
        call = self._call_of(message)
        if call is None or call.older is None:
            return message.event
        return with_call_number(message.event, call.event.event_id)

    def misfit(
        self, message: TaskMessage, own: OrchestrationInstance, taken: Container[Hashable] = ()
    ) -> Misfit | None:
        """Return why a message must not enter the history of the execution `own`, or None if it may.

        `taken` holds the keys of results that are accepted together with it.
        """
        event = message.event
        if isinstance(event, EventRaised):
            request = self.requests.get(event.name.casefold())
            is_taken = request is not None and self.key_of(message) in taken
            return None if request is None else _entity_misfit(request, message, is_taken=is_taken)
        call = self._call_of(message)
        if call is None:
            return None
        why = _mismatch(call, message, own)
        if why is not None:
            return Misfit(_description(call.event), why)
        return _copy(_description(call.event)) if call.is_answered or call.event.event_id in taken else None

    def _call_of(self, message: TaskMessage) -> _Call | None:
        """Return the call that a result answers.

        If a call of 1.x code and a newer one have the same number, it is the one that the result matches.
        """
        number = answered_id(message.event)
        call = self._numbered.get(number)
        if not self._older:
            return call
        older = self._older.get(number)
        if older is None:
            return call if call is None or call.older is None else None
        if call is None or call.older is not None:
            return older
        fits = message.event.__class__ in _ANSWERED and _mismatch(older, message, message.target) is None
        return older if fits and not older.is_answered else call

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


def answer_key(message: TaskMessage) -> Hashable:
    """Return the call that a result answers: its number or request ID. None if the message is not a result."""
    event = message.event
    if isinstance(event, EventRaised) and is_from_entity(message):
        return event.name.casefold()
    return answered_id(event)


NO_ENTITY = OrchestrationInstance("@")
"""The sender of a refusal to call an entity whose ID cannot be stored in a message."""


def is_from_entity(message: TaskMessage) -> bool:
    """True when an entity sent the message to an orchestration."""
    return message.sender.instance_id.startswith("@") and not message.target.instance_id.startswith("@")


def _mismatch(call: _Call, message: TaskMessage, own: OrchestrationInstance) -> str | None:
    event, called = message.event, call.event
    kind = _ANSWERED[type(event)]
    if kind is not type(called):
        return f"it is the result of {_KINDS[kind]}"
    if not message.target.execution_id:
        return "it names no execution"
    if isinstance(event, TimerFired) and isinstance(called, TimerCreated) and event.fire_at != called.fire_at:
        return f"it belongs to a timer due at {timestamp.to_text(event.fire_at)}"
    # If a message cannot hold the child's ID, the instance itself refuses the call.
    senders = (called.instance_id, own.instance_id) if isinstance(called, SubOrchestrationInstanceCreated) else None
    if senders is not None and message.sender.instance_id not in senders:
        return f"it comes from the instance '{message.sender.instance_id}'"
    return _request_mismatch(call, called, message, own) if isinstance(called, TaskScheduled) else None


def _request_mismatch(
    call: _Call, called: TaskScheduled, message: TaskMessage, own: OrchestrationInstance
) -> str | None:
    """Check an activity's result: by the identity of its request if that is ours, otherwise by number and episode."""
    if message.id is not None and identity.is_derived(message.id):
        if call.request is not None:
            is_answer = message.id == identity.answer_to(call.request)
        else:
            content = (called.name,)
            number = called.event_id if call.older is None else call.older
            request = identity.decided(own, call.episode, TaskScheduled.event_name, number, content)
            is_answer = identity.is_same_decision(message.id, identity.answer_to(request))
        return None if is_answer else "it answers a call that was decided under this number and never committed"
    # The official backend continues the count of the previous generation when the next one makes calls.
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
    return Misfit(what, "it was already answered", is_copy=True)


def _description(event: _Numbered) -> str:
    match event:
        case TaskScheduled():
            return f"the activity '{event.name}' (number {event.event_id})"
        case TimerCreated():
            return f"the timer due at {timestamp.to_text(event.fire_at)} (number {event.event_id})"
        case SubOrchestrationInstanceCreated():
            return f"the sub-orchestration '{event.instance_id}' (number {event.event_id})"
        case EventSent():
            return f"the message to '{event.instance_id}' (number {event.event_id})"
