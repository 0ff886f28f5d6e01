"""The sequence diagram of one execution: the messages between the orchestration and everything else."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from durable_host import timestamp
from durable_host.dashboard.payloads import time_text
from durable_host.dashboard.views.history_step import ExecutionSteps, HistoryStep
from durable_host.durable.engine.entity_request import UnreadableEntityMessage, read_request
from durable_host.durable.model.events import (
    ContinueAsNew,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
)

CLIENT, TIMERS = "client", "timers"
MessageKind = Literal["start", "call", "result", "failure", "event", "signal", "timer", "control", "end"]


class SequenceMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message between two participants. `ordinal` is the position of its event in the history."""

    time: str
    sender: str = msgspec.field(name="from")
    receiver: str = msgspec.field(name="to")
    label: str
    kind: MessageKind
    ordinal: int


def messages_of(events: Sequence[HistoryEvent], execution: ExecutionSteps) -> list[SequenceMessage]:
    """Return the messages in the order of the history.

    Participants are `client`, `timers`, the name of the orchestration, `activity NAME`, `child ID`, `entity ID` and the
    IDs of the parent and of instances that get events from the code.
    """
    diagram = _Diagram(execution, next((one.name for one in events if isinstance(one, ExecutionStarted)), ""))
    external = frozenset(execution.external)
    for ordinal, event in enumerate(events):
        if not isinstance(event, EventRaised) or ordinal in external:
            diagram.read(ordinal, event)
    for step in execution.steps:
        diagram.read_step(step)
    return sorted(diagram.messages, key=lambda message: message.ordinal)


class _Diagram:
    def __init__(self, execution: ExecutionSteps, name: str) -> None:
        self.messages: list[SequenceMessage] = []
        self._execution = execution
        self._own = name or "orchestration"

    def read(self, ordinal: int, event: HistoryEvent) -> None:
        match event:
            case ExecutionStarted():
                parent = event.parent_instance
                caller = CLIENT if parent is None else parent.orchestration_instance.instance_id
                self._receives(ordinal, caller, "start", "start")
            case ExecutionTerminated():
                self._receives(ordinal, CLIENT, "terminate", "control")
            case ExecutionSuspended():
                self._receives(ordinal, CLIENT, "suspend", "control")
            case ExecutionResumed():
                self._receives(ordinal, CLIENT, "resume", "control")
            case ExecutionRewound() | GenericEvent(reason=None):
                self._receives(ordinal, CLIENT, "rewind", "control")
            case EventRaised():
                self._receives(ordinal, CLIENT, event.name, "event")
            case EventSent():
                self._read_sent(event, ordinal)
            case ContinueAsNew():
                self._sends(ordinal, self._own, "continue as new", "end")
            case ExecutionCompleted():
                self._sends(ordinal, CLIENT, event.orchestration_status.name.lower(), "end", event.timestamp)
            case _:
                pass

    def read_step(self, step: HistoryStep) -> None:
        """Add the call and the answer of a step. The attempts in between are not listed."""
        first, last = step.ordinals
        other, label = _callee(step)
        is_timer = step.kind in {"timer", "retry"}
        self._sends(first, other, label, "timer" if is_timer else "call", step.start)
        if step.kind == "lock":
            if step.attempts[0].end is not None and step.granted is not None:
                self._receives(step.granted, other, "locked", "result", step.attempts[0].end)
        elif last is None or step.end is None:
            return
        elif is_timer:
            self._receives(last, other, "fired", "timer", step.end)
        elif step.outcome == "Completed":
            self._receives(last, other, "result", "result", step.end)
        elif step.outcome == "Failed":
            self._receives(last, other, (step.error or "").partition("\n")[0] or "failed", "failure", step.end)

    def _read_sent(self, event: EventSent, ordinal: int) -> None:
        """Add a message to an instance that does not answer."""
        if not event.instance_id.startswith("@"):
            self._sends(ordinal, event.instance_id, event.name, "event")
            return
        entity = f"entity {event.instance_id}"
        if event.name == "release":
            self._sends(ordinal, entity, "unlock", "signal")
            return
        try:
            request = read_request(event.input)
        except UnreadableEntityMessage:
            self._sends(ordinal, entity, event.name, "signal")
            return
        if request.is_signal:
            self._sends(ordinal, entity, request.operation or "", "signal")

    def _sends(self, ordinal: int, receiver: str, label: str, kind: MessageKind, at: int | None = None) -> None:
        self._add(ordinal, self._own, receiver, label, kind, at)

    def _receives(self, ordinal: int, sender: str, label: str, kind: MessageKind, at: int | None = None) -> None:
        self._add(ordinal, sender, self._own, label, kind, at)

    def _add(self, ordinal: int, sender: str, receiver: str, label: str, kind: MessageKind, at: int | None) -> None:
        when = self._execution.time_at(ordinal) if at is None else at
        self.messages.append(
            SequenceMessage(
                time=timestamp.to_text(when), sender=sender, receiver=receiver, label=label, kind=kind, ordinal=ordinal
            )
        )


def _callee(step: HistoryStep) -> tuple[str, str]:
    """Return the other participant of a step, and the label of the call."""
    match step.kind:
        case "timer" | "retry":
            return TIMERS, f"due {time_text(step.due)}"
        case "activity":
            return f"activity {step.name}", step.name
        case "child":
            return f"child {step.target}", step.name
        case "entity":
            return f"entity {step.target}", step.name
        case "lock":
            return f"entity {step.target}", f"lock {step.name}"
